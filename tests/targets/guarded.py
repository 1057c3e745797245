"""Sleeps; with the argument "not" it makes itself non-dumpable, so that its user may not trace it.

Used by integration/test_permissions.py.
"""

import ctypes
import sys
import time

import answering

PR_SET_DUMPABLE = 4

if sys.argv[1] == "not":
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
answering.in_thread(globals())
while True:
    time.sleep(0.05)
