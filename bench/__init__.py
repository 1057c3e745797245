"""What is measured: `python -m bench` lists it, and measures all of it."""
