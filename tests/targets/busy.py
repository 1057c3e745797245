"""Runs a hot loop, or sleeps nearly all of the time: the argument is "hot" or "wait".

Used by integration/test_overhead_limit.py and stress/test_record_kills.py.
"""

import sys
import time

import answering


def hot():
    total = 0  # on
    for number in range(1000):  # on
        total += number  # on
    return total  # on


def wait():
    time.sleep(0.01)  # on


how = hot if sys.argv[1] == "hot" else wait
answering.in_thread(globals())
while True:
    how()
