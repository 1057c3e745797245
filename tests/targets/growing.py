"""Starts short threads, or runs pieces of code made by `exec`, as often as it is told to.

Used by payloads/test_bounded_memory.py.
"""

import os
import threading

import answering

NAMES = ("<string>", __file__)


def short():
    return sum(range(3))


def threads(count):
    """Start and join `count` threads, one after the other."""
    for _ in range(count):
        thread = threading.Thread(target=short)
        thread.start()
        thread.join()
    return count


def pieces(count):
    """Compile and run `count` pieces of code, half of them with this file's name."""
    for number in range(count):
        names = {}
        source = f"def made():\n    return {number}\nvalue = made()\n"
        exec(compile(source, NAMES[number % 2], "exec"), names)
        assert names["value"] == number
    return count


def memory():
    """Return the resident memory of this process, in bytes."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


answering.in_thread(globals())
threading.Event().wait()
