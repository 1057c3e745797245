"""Waits in its main thread, in the way of its argument, until `release()`; used by most tests."""

import os
import select
import sys
import threading
import time

import answering

released = threading.Event()
reading, writing = os.pipe()
lines = []


def release():
    """Let the main thread go on to its end."""
    released.set()
    os.write(writing, b"x")


def later():
    """Execute a line that had not been executed before."""
    lines.append("later")  # later
    return len(lines)


def wait(how):
    """Wait for `release`, in the way `how`; "sleep-long" does not end."""
    if how == "event":
        released.wait()
    elif how == "join":
        waiter.join()
    elif how == "sleep":
        while not released.is_set():
            time.sleep(0.05)
    elif how == "sleep-long":
        time.sleep(1000)
    elif how == "select":
        select.select([reading], [], [])
    elif how == "read":
        os.read(reading, 1)
    elif how == "busy":
        while not released.is_set():
            sum(range(100))


waiter = threading.Thread(target=released.wait, daemon=True)
waiter.start()
answering.in_thread(globals())
wait(sys.argv[1])
lines.append("end")  # released
