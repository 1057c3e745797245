"""Calls functions of two modules; tests of `trace` compare the events with the list `calls`.

With the argument `steady` two threads call, and sleep now and then; with `hot` one calls as fast as
it can.  `calls` are those of called.py, in order: thread, function, argument.  Used by
integration/test_trace.py, payloads/test_stream.py, and stress/test_trace_costs.py and
test_trace_kills.py.
"""

import os
import sys
import threading
import time

import answering
import called

calls = called.calls
counted = [0]
turns = [threading.Semaphore(0) for _ in range(2)]
LOT = 20


def begin(lots):
    """Have each of the steady threads make `lots` times LOT calls."""
    for turn in turns:
        turn.release(lots)


def forked():
    """Fork; return the child's status, which is 0 if no trace or profile function is set in it."""
    pid = os.fork()
    if pid == 0:
        tools = sys.monitoring.get_tool(4) if hasattr(sys, "monitoring") else None
        called.outer(1)
        os._exit(int(sys.getprofile() is not None or tools is not None))
    return os.waitpid(pid, 0)[1]


asked = []


class Hostile:
    """Raises at each use of an attribute or method, and notes its name in `asked`."""

    def __getattribute__(self, name):
        asked.append(name)
        raise RuntimeError(name)

    def __repr__(self):
        return self.__dict__

    __str__ = __len__ = __bool__ = __hash__ = __iter__ = __repr__


def pass_hostile():
    """Call a function with objects that a trace must not touch; return the names it touched."""
    called.taking(Hostile(), [Hostile()], text="\x1b[31m" + "x" * 100)
    return asked


def unwanted(number):
    return called_by_nobody(number) + 1


def called_by_nobody(number):
    return number


def steady(turn):
    number = 0
    while True:
        turn.acquire()
        for _ in range(LOT):
            number += 1
            unwanted(number)
            called.outer(number)
        time.sleep(0.005)


def hot():
    while True:
        for number in range(1000):
            unwanted(number)
        counted[0] += 1


if sys.argv[1] == "steady":
    for number, turn in enumerate(turns):
        name = f"steady-{number}"
        threading.Thread(target=steady, args=(turn,), name=name, daemon=True).start()
if sys.argv[1] == "hot":
    threading.Thread(target=hot, name="hot", daemon=True).start()
answering.in_thread(globals())
while True:
    time.sleep(0.05)  # so that the main thread comes to what it is asked
