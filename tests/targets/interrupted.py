"""Counts the signals that it gets, until standard input ends; exits with that count.

For each line of input it prints the count.  Used by integration/test_run.py.
"""

import os
import signal
import sys

count = 0


def interrupt(number, frame):
    global count
    count += 1
    print(f"signal {number}", flush=True)


for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
    signal.signal(number, interrupt)
print(f"ready {os.getpid()}", flush=True)
while True:
    if not sys.stdin.readline():
        break
    print(f"count {count}", flush=True)
sys.exit(count)
