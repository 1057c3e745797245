"""The programs that benches measure, each run as a process of its own."""
