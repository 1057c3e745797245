"""Benchmarks of covattach and other tools: `python -m bench` lists and runs all of them."""
