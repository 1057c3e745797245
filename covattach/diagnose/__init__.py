"""Reasons why an attach would fail, and the Python processes there are."""
