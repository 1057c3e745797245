"""The code that ran while a window was open, as `record` shows it."""
