"""Runs its main thread without end, with a signal handler that raises; counts exceptions caught.

`caught` has the types of the exceptions that came out of `spin`.
"""

import os
import signal
import threading
import time

import answering

caught = []
ending = threading.Event()
inside = False  # whether the handler's exception is caught


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
    """Send signals until the end, each when the one before has been caught."""
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
