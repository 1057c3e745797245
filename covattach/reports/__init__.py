"""Reports: from a snapshot to a data file to HTML and the rest, all of it in our own process."""
