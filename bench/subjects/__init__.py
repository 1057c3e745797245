"""The programs that the benches measure, each run as a process of its own."""
