"""Counts in a hot loop how often it has gone round: `now()` says how often, and when."""

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
