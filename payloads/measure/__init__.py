"""One measurement: coverage and the adoption of code that runs already."""
