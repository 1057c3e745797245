"""Calls functions in the order that it is told, while `tick` runs all the time.

Used by integration/test_imports.py, integration/test_record.py and payloads/test_recording.py.
"""

import threading
import time

import answering

called = []


def first():
    """Note the call."""
    called.append("first")


def second():
    """Note the call, and call a lambda for each call so far."""
    called.append("second")  # second
    return [(lambda one: one)(one) for one in called]


def third():
    """Note the call; a generator."""
    called.append("third")
    yield "third"


def run(names):
    """Call the functions in `names`, separated by blanks, the last one in a new thread."""
    *ours, last = names.split()
    for name in ours:
        list(globals()[name]() or ())
    thread = threading.Thread(target=globals()[last])
    thread.start()
    thread.join()
    return len(called)


def tick():
    """Sleep again and again, for ever."""
    while True:
        time.sleep(0.001)


answering.in_thread(globals())
tick()
