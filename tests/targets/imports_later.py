"""Is imported by imports.py after the attach."""

FIRST = 1


def used():
    return FIRST


def unused():
    return 2
