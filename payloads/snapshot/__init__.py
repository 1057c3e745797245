"""Copies of the measured data, and their encoding."""
