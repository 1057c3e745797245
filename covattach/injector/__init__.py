"""Injectors: ways to have a target execute one line of Python, at a safe point, once."""
