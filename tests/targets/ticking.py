"""Calls another function every 0.1 s, and writes down when, until it is killed.

The arguments are a file for the source of the functions, and one for the times (`time.time`).  Used
by integration/test_ends_of_targets.py and bench/bringing_in.py.
"""

import sys
import time

import answering
from functions import load

FUNCTIONS = 2000


def main(source, times):
    names = load(source, FUNCTIONS)
    answering.in_thread(globals())
    with open(times, "w", buffering=1) as file:
        for number in range(FUNCTIONS):
            names[f"f{number}"]()
            file.write(f"{number} {time.time()}\n")
            time.sleep(0.1)


main(*sys.argv[1:])
