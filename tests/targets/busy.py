"""Runs a hot loop, or waits nearly all of the time, as its argument says."""

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
