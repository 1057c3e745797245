"""Attaching: everything from a PID to a target that is measured, or is as it was."""
