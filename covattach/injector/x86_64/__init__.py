"""Everything about the injectors that is particular to x86-64."""
