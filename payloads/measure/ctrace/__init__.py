"""Adoption with coverage's C tracer."""
