"""Runs its main thread in a loop, with a signal handler that raises; notes the exceptions caught.

`caught` has the types of those that came out of `spin`.  Used by payloads/test_harm.py.
"""

import os
import signal
import threading
import time

import answering

caught = []
ending = threading.Event()
inside = False  # whether the handler's exception would be caught


class Interrupted(Exception):
    """The handler's exception."""


def handler(number, frame):
    raise Interrupted


def spin():
    global inside
    inside = True
    count = 0
    while not ending.is_set():
        count += 1  # on
        step(count)


def step(count):
    return count + 1  # on


def signals():
    """Send signals until the end, each one once the exception of the last was caught."""
    while not ending.is_set():
        while not inside:
            ending.wait(0.0001)
            if ending.is_set():
                return
        had = len(caught)
        os.kill(os.getpid(), signal.SIGUSR1)
        while len(caught) == had:
            time.sleep(0.0002)
        ending.wait(0.004)  # on, sending


def main():
    global inside
    while not ending.is_set():
        try:
            spin()
        except BaseException as error:
            inside = False
            caught.append(type(error).__name__)


signal.signal(signal.SIGUSR1, handler)
answering.in_thread(globals())
main()
