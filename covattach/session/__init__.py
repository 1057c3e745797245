"""Sessions and trees: their folders, requests to their agents, and their lookup by PID."""
