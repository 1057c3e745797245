"""Lines that ran while modules were imported, before the attach."""
