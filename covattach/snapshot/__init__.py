"""Snapshots from a target, checked before they are believed."""
