"""A target that is in one state for ever, and measures for how long none of its threads ran.

The first argument names the state.  The second is a file of two numbers, which the bench shares:
when a thread last ran (`time.monotonic`), and the longest time for which none did.  So the pause is
measured inside the target, and read without asking it anything.
"""

from __future__ import annotations

import array
import mmap
import os
import sys
import threading
import time
from collections.abc import Callable

MOVED, LONGEST = 0, 1
HARM = 99  # exit status: memory is not what was written to it


def move(times: memoryview[float], clock: Callable[[], float] = time.monotonic) -> None:
    """Note that this thread runs now.

    The interpreter changes threads at calls and backward jumps: between the comparison and the
    assignment below there is neither, so no thread can put an older time over a newer one.
    """
    now = clock()
    if now > times[MOVED]:
        gap = now - times[MOVED]
        times[MOVED] = now
        if gap > times[LONGEST]:
            times[LONGEST] = gap


def idle(times: memoryview[float]) -> None:
    """Wait, while a thread looks at the clock 2,000 times a second and allocates nothing."""

    def look() -> None:
        while True:
            move(times)
            time.sleep(0.0005)

    threading.Thread(target=look, daemon=True).start()
    threading.Event().wait()


def allocating(times: memoryview[float]) -> None:
    """Allocate and free objects of many sizes in three threads."""

    def allocate() -> None:
        kept: list[list[bytearray]] = []
        while True:
            move(times)
            kept.append([bytearray(size) for size in range(0, 2000, 37)])
            del kept[:-20]

    for _ in range(2):
        threading.Thread(target=allocate, daemon=True).start()
    allocate()


def copying(times: memoryview[float]) -> None:
    """Copy memory and compare: a register that is restored wrongly makes the copy differ."""
    source = array.array("Q", range(1 << 15)).tobytes()
    buffer = bytearray(len(source))
    while True:
        move(times)
        buffer[:] = source
        if buffer != source:
            os._exit(HARM)


def pandas(times: memoryview[float]) -> None:
    """Copy and compare, with pandas loaded, which has 120 shared objects."""
    import pandas  # type: ignore[import-untyped]  # noqa: F401

    copying(times)


def crowded(times: memoryview[float]) -> None:
    """Fight over the GIL with 25 threads."""

    def spin() -> None:
        while True:
            move(times)

    for _ in range(25):
        threading.Thread(target=spin, daemon=True).start()
    spin()


if __name__ == "__main__":
    with open(sys.argv[2], "r+b") as file:
        shared = memoryview(mmap.mmap(file.fileno(), 16)).cast("d")
    globals()[sys.argv[1]](shared)
