"""The commands, one a module: options and output, nothing else."""
