"""Runs another function each 0.1 s, of which it has written down when; until it is killed.

Its arguments are the file to write the functions to, and one for the times (`time.time`).
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
