"""Support for the tests: targets, covattach, other users, faults, and lines of programs."""
