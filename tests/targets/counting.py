"""Counts the rounds of a hot loop; `now()` returns the count, and the time.

Used by payloads/test_hostile_clients.py.
"""

import time

import answering


def now():
    return [rounds[0], time.monotonic()]


def go_round():
    total = 0
    for number in range(100):
        total += number
    rounds[0] += 1


rounds = [0]
answering.in_thread(globals())
while True:
    go_round()
