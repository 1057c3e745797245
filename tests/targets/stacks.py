"""Has a thread with a small stack, or a main thread that waits on an alternate signal stack.

The argument is the size of the thread's stack in bytes.  If it is "alternate", the main thread
waits in a signal handler of C, on a stack of 8 KB.  Used by integration/test_first_line.py and
stress/test_hazards.py.
"""

import ctypes
import os
import signal
import sys
import threading
import time

import answering

lines = []


class Action(ctypes.Structure):
    """struct sigaction of glibc."""

    _fields_ = (
        ("handler", ctypes.c_void_p),
        ("mask", ctypes.c_ulong * 16),
        ("flags", ctypes.c_int),
        ("restorer", ctypes.c_void_p),
    )


class Stack(ctypes.Structure):
    """stack_t."""

    _fields_ = (("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


def later():
    """Execute a line that had not been executed before."""
    lines.append("later")  # later
    return len(lines)


def wait_on_alternate_stack():
    """Call C's `pause` as a signal handler, on the alternate stack."""
    libc = ctypes.CDLL(None)
    memory = ctypes.create_string_buffer(8192)
    stack = Stack(ctypes.addressof(memory), 0, len(memory))
    assert libc.sigaltstack(ctypes.byref(stack), None) == 0
    action = Action(handler=ctypes.cast(libc.pause, ctypes.c_void_p), flags=0x08000000)  # ONSTACK
    assert libc.sigaction(signal.SIGUSR1, ctypes.byref(action), None) == 0
    getattr(libc, "raise")(signal.SIGUSR1)  # without the GIL


answering.in_thread(globals())
if sys.argv[1] == "alternate":
    wait_on_alternate_stack()
threading.stack_size(int(sys.argv[1]))
threading.Thread(target=lambda: os.read(os.pipe()[0], 1), daemon=True).start()
while True:
    time.sleep(0.02)
