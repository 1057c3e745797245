"""Is sent signals; their C handler writes each signal's number to a pipe, as a byte.

The first argument is the pipe's descriptor.  The second is the main thread's state: "busy", or
"idle" in a system call.  Used by integration/test_signals.py.
"""

import os
import select
import signal
import sys

import answering

SILENT, _ = os.pipe()
lines = []


def later():
    """Execute a line that had not been executed before."""
    lines.append("later")  # later
    return len(lines)


def main(pipe, state):
    os.set_blocking(pipe, False)
    signal.set_wakeup_fd(pipe)
    for number in (signal.SIGINT, signal.SIGUSR1, signal.SIGWINCH, signal.SIGRTMIN):
        signal.signal(number, lambda *_: None)
    answering.in_thread(globals())
    while True:
        if state == "busy":
            sum(range(100))
        else:
            select.select([SILENT], [], [])


main(int(sys.argv[1]), sys.argv[2])
