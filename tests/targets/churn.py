"""Starts threads that end at once, again and again, from three threads, while main waits.

`rounds` counts the rounds.  Used by payloads/test_churn.py.
"""

import threading
import time

import answering

rounds = 0
local = threading.local()


class Farewell:
    """Runs Python code when the local data of a thread that ends is cleared."""

    def __del__(self):
        sum(range(20))


def short():
    local.farewell = Farewell()
    for _ in range(3):
        step()


def step():
    return sorted(range(5))


def churn():
    global rounds
    while True:
        threads = [threading.Thread(target=short) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        rounds += 1
        time.sleep(0)


for _ in range(3):
    threading.Thread(target=churn, daemon=True).start()
answering.in_thread(globals())
threading.Event().wait()
