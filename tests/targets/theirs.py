"""Runs the program of coverage's tests in its argument, up to a gate; `go.set()` opens that.

With more arguments, "lines" or "arcs", a core and kinds of concurrency, stock coverage measures it
from the start.  Used by payloads/test_programs_of_coverage.py.
"""

import _thread
import sys
import time

import answering
import referee

own_ident = _thread.get_ident  # which gevent replaces


class Gate:
    """Holds a thread up until `set` is called, by locks made before gevent replaces them."""

    def __init__(self):
        self.came, self.shut = _thread.allocate_lock(), _thread.allocate_lock()
        self.came.acquire()
        self.shut.acquire()

    def wait(self):
        """Wait here for the gate to open."""
        if self.came.locked():
            self.came.release()
        self.shut.acquire()
        self.shut.release()

    def set(self):
        """Open the gate."""
        self.shut.release()


go = Gate()
ended = _thread.allocate_lock()  # by whoever waits for the end
ended.acquire()


def standing():
    """Return the frame and the instruction at which each thread is, but for this one."""
    frames = sys._current_frames()
    frames.pop(own_ident())
    return {thread: (id(frame), frame.f_lasti) for thread, frame in frames.items()}


def settle():
    """Wait until the program has come to the gate, and no thread goes on any more."""
    go.came.acquire()
    last = None
    while last != (last := standing()):
        time.sleep(0.05)


def run(path, *measured):
    """Run the program `path`; `measured` are the arguments for stock coverage."""
    with open(path) as file:
        code = compile(file.read(), path, "exec")
    answering.in_thread(globals())
    sys.stdout = sys.stderr  # what it prints is not to come in between answers
    if measured:
        referee.begin(*measured)
    exec(code, {"__name__": "__main__", "go": go})
    ended.release()
    time.sleep(1000)


run(*sys.argv[1:])
