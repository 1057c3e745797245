"""The agent's thread, its session and its verbs."""
