"""Checks for `doctor` and `ps`: why an attach would fail, and which Python processes there are."""
