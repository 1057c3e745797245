"""Keeps the GIL once an agent listens in it, until a line on standard input lets it go.

The next time that an agent listens, it does the same again.  Used by integration/test_deadlines.py
and stress/test_hazards.py.
"""

import ctypes
import os
import sys
import threading
import time

POLLIN = 1


class Poll(ctypes.Structure):
    """`struct pollfd`."""

    _fields_ = (("fd", ctypes.c_int), ("events", ctypes.c_short), ("revents", ctypes.c_short))


def sockets():
    """Return how many sockets this process has open."""
    found = 0
    for name in os.listdir("/proc/self/fd"):
        try:
            found += os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
        except OSError:
            continue  # that of the list itself
    return found


def keep():
    """Wait for a line, in a call to C that keeps the GIL."""
    print("keeps", flush=True)
    ctypes.PyDLL(None).poll(ctypes.byref(Poll(0, POLLIN, 0)), 1, -1)
    sys.stdin.readline()
    print("lets go", flush=True)


# glibc takes a signal for itself with the first thread that there is.
threading.Thread(target=threading.Event().wait, daemon=True).start()
before = sockets()
print("ready", flush=True)
while True:
    time.sleep(0.001)
    if sockets() > before:
        keep()
        while sockets() > before:
            time.sleep(0.001)
        print("alone", flush=True)
