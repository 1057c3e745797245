"""Calls functions in the order that it is told, while one of them runs all the time."""

import threading
import time

import answering

called = []


def first():
    """Be called."""
    called.append("first")


def second():
    """Be called, and call another that has no name."""
    called.append("second")  # second
    return [(lambda one: one)(one) for one in called]


def third():
    """Be called as a generator."""
    called.append("third")
    yield "third"


def run(names):
    """Call functions in this order, each time the last of them in a thread of its own."""
    *ours, last = names.split()
    for name in ours:
        list(globals()[name]() or ())
    thread = threading.Thread(target=globals()[last])
    thread.start()
    thread.join()
    return len(called)


def tick():
    """Run all the time."""
    while True:
        time.sleep(0.001)


answering.in_thread(globals())
tick()
