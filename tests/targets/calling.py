"""Calls functions of two modules, and keeps a list of the calls of the one that is to be traced.

Its argument says how: `steady` in two threads that now and then sleep, `hot` as fast as it goes.
`calls` are those of `called.py`, in order: thread, function, argument.
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
    """Have each of the steady threads make so many lots of calls."""
    for turn in turns:
        turn.release(lots)


def forked():
    """Fork; return the child's status, which is 0 if it has no trace in itself."""
    pid = os.fork()
    if pid == 0:
        tools = sys.monitoring.get_tool(4) if hasattr(sys, "monitoring") else None
        called.outer(1)
        os._exit(int(sys.getprofile() is not None or tools is not None))
    return os.waitpid(pid, 0)[1]


asked = []


class Hostile:
    """Notes each of its methods that somebody calls."""

    def __getattribute__(self, name):
        asked.append(name)
        raise RuntimeError(name)

    def __repr__(self):
        return self.__dict__

    __str__ = __len__ = __bool__ = __hash__ = __iter__ = __repr__


def pass_hostile():
    """Call a function with objects that must not be used; return whether any was."""
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
