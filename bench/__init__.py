"""Benches: `python -m bench` lists them, and runs all of them."""
