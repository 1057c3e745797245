"""Modules and programs that run inside the target.

Standard library and coverage only, syntax of Python 3.9, and nothing of covattach itself:
every file here is read from a session folder and executed in somebody else's process.
"""
