"""Sessions and trees: their folders, their agents, and where they are found."""
