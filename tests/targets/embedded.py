"""A module for a program that embeds Python (embedding.c) to call."""

lines = []


def later():
    """Execute a line that had not been executed before."""
    lines.append("later")  # later
