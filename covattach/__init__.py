"""Attach coverage to a running Python process, without restarting, changing or harming it."""

__version__ = "0.1.0"
