"""The stream of function calls."""
