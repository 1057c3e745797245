"""The interpreter's inside: frames, threads, descriptors, calls into C."""
