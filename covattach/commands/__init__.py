"""The commands, one module each: only options and output."""
