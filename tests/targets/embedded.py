"""The module that the C programs embedding.c and loading.c call.

Used with them by integration/test_builds.py and test_presence.py, and by stress/test_hazards.py.
"""

lines = []


def later():
    """Execute a line that had not been executed before."""
    lines.append("later")  # later
