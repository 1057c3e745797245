"""The module that imports.py imports after the attach (integration/test_imports.py)."""

FIRST = 1


def used():
    return FIRST


def unused():
    return 2
