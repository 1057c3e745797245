"""The interpreter's internals: frames, threads, file descriptors, calls of C functions."""
