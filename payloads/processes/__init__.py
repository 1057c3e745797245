"""Forks, programs that are started later, and the tree that they form."""
