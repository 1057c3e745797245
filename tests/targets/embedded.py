"""What a program that embeds Python calls (embedding.c)."""

lines = []


def later():
    """Execute a line that had not been executed before."""
    lines.append("later")  # later
