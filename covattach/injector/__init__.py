"""Injectors: one line of Python executed in a target, at a safe point, once."""
