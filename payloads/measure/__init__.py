"""The measurement of a process: coverage started in it, and running code adopted."""
