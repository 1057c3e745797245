"""The import of coverage, with lazy objects for the parts that only reports use."""
