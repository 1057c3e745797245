"""Installs a seccomp filter, for the program behind `--`, or for itself, and answers then.

    filtered.py ACTION deny|allow NUMBER,… [-- PROGRAM …]

With `deny` the filter does ACTION at these system calls, with `allow` at all others.  Used by
integration/test_seccomp.py and stress/test_hazards.py.
"""

import ctypes
import os
import struct
import sys
import time

ACTIONS = {"kill": 0x80000000, "trap": 0x00030000, "error": 0x00050001, "allow": 0x7FFF0000}
LOAD_NUMBER, IF_EQUAL, RETURN = 0x20, 0x15, 0x06
NO_NEW_PRIVS, SECCOMP, FILTER = 38, 22, 2


class Program(ctypes.Structure):
    """A seccomp filter: struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_void_p))


def install(action, kind, numbers):
    """Install the filter on this thread, and on all that it starts."""
    chosen, others = (action, "allow") if kind == "deny" else ("allow", action)
    steps = [(LOAD_NUMBER, 0, 0, 0)]
    for number in numbers:
        steps += [(IF_EQUAL, 0, 1, number), (RETURN, 0, 0, ACTIONS[chosen])]
    steps.append((RETURN, 0, 0, ACTIONS[others]))
    code = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *step) for step in steps))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    assert (
        libc.prctl(SECCOMP, FILTER, ctypes.byref(Program(len(steps), ctypes.addressof(code)))) == 0
    )


def later():
    """Execute a line that had not been executed before."""
    lines.append("later")  # later
    return len(lines)


lines = []
if __name__ == "__main__":
    action, kind, numbers, *program = sys.argv[1:]
    if program:
        install(action, kind, map(int, numbers.split(",")))
        os.execv(program[1], program[1:])  # noqa: S606
    import answering

    # Not by `answering.in_thread`: the filter is to be there before the first other thread is.
    install(action, kind, map(int, numbers.split(",")))
    answering.in_thread(globals())
    while True:
        time.sleep(0.02)
