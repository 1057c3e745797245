"""A target for `bench/bringing_in.py`: a main loop of short rounds that notes how it gets on.

The argument is a file of numbers that the bench shares.  The first is the time at which the loop
began, the second the longest time between two rounds.  The others are the numbers of rounds in each
hundredth of a second of `time.monotonic` since then.
"""

from __future__ import annotations

import mmap
import sys
import threading  # noqa: F401  a server has it
import time

BEGAN, LONGEST, BINS = 0, 1, 2
BIN = 0.01  # seconds in which rounds are counted together
SPAN = 120.0  # seconds that there are bins for
SIZE = 8 * (BINS + int(SPAN / BIN))


class Item:
    """An object to work with."""

    def __init__(self, number: int) -> None:
        self.number = number

    def next(self) -> int:
        """Compute the next number: a step of work in a method."""
        self.number = self.number * 3 % 1009
        return self.number


def work() -> int:
    """Run for about a tenth of a millisecond."""
    items = [Item(number) for number in range(100)]
    return sum(item.next() for item in items if item.number % 3)


def main(path: str) -> None:
    """Run rounds until the bins are full."""
    with open(path, "r+b") as file:
        shared = memoryview(mmap.mmap(file.fileno(), SIZE)).cast("d")
    last = shared[BEGAN] = time.monotonic()
    while last - shared[BEGAN] < SPAN - 1:
        work()
        now = time.monotonic()
        if now - last > shared[LONGEST]:
            shared[LONGEST] = now - last
        shared[BINS + int((now - shared[BEGAN]) / BIN)] += 1
        last = now


if __name__ == "__main__":
    main(sys.argv[1])
