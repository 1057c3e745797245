"""Adoption with coverage's `sys.monitoring` core."""
