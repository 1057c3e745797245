"""Calls functions of two modules, and keeps a list of the calls of the one that is to be traced.

Its argument says how: `steady` in two threads that now and then sleep, `hot` as fast as it goes.
`calls` are those of `called.py`, in order, since `begin()`: thread, function, argument.
"""

import sys
import threading
import time

import answering
import called

calls = called.calls
counted = [0]
going = threading.Event()


def begin():
    """Call from now on, so that the list and a trace begin with the same call."""
    going.set()


def end():
    """Stop calling, and return how many calls were made once no thread is in one."""
    going.clear()
    for lock in locks:
        with lock:
            continue
    return len(calls)


def unwanted(number):
    return called_by_nobody(number) + 1


def called_by_nobody(number):
    return number


def steady(lock):
    number = 0
    while True:
        going.wait()
        with lock:
            for _ in range(20):
                number += 1
                unwanted(number)
                called.outer(number)
        time.sleep(0.005)


def hot():
    while True:
        for number in range(1000):
            unwanted(number)
        counted[0] += 1


locks = [threading.Lock() for _ in range(2)]
if sys.argv[1] == "steady":
    for number, lock in enumerate(locks):
        name = f"steady-{number}"
        threading.Thread(target=steady, args=(lock,), name=name, daemon=True).start()
if sys.argv[1] == "hot":
    threading.Thread(target=hot, name="hot", daemon=True).start()
answering.in_thread(globals())
threading.Event().wait()
