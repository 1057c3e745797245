"""Stops the process in its argument for 2 ms, 100 times a second, as a sampling profiler does.

It uses ptrace(2), and ends with its standard input.  Used by integration/test_further_states.py.
"""

import ctypes
import os
import select
import sys
import time

ATTACH, DETACH, WALL = 16, 17, 0x40000000
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long
pid = int(sys.argv[1])
while not select.select([0], [], [], 0.008)[0]:
    if libc.ptrace(ATTACH, pid, None, None) == 0:
        os.waitpid(pid, WALL)
        time.sleep(0.002)  # it reads the stacks
        libc.ptrace(DETACH, pid, None, None)
