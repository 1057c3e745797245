"""Generates an application of 900 files for `bench/dump.py`, and runs it.

As a program it imports all of the files, and prints "ready".  At the order "run" it calls a third
of the functions; "stall" calls nothing.  The answer to each order is the longest stall, in seconds,
of a thread that always wants the GIL.
"""

from __future__ import annotations

import importlib
import random
import sys
import threading
import time
from pathlib import Path
from typing import Any

PACKAGES, MODULES = 30, 30
FEWEST, MOST = 30, 100  # functions in a module
EVERY = 3  # one of so many functions is called: a server uses only a part of its imports

FUNCTION = '''

def function_{number}(value):
    """Do something that is not quite the same everywhere."""
    if value % {divisor}:
        return value * {factor}
    return value
'''


def generate(folder: Path) -> None:
    """Write the package `large` into a folder; it is always the same."""
    dice = random.Random(900)  # noqa: S311
    for package in range(PACKAGES):
        place = folder / "large" / f"part_{package}"
        place.mkdir(parents=True)
        (place / "__init__.py").touch()
        for module in range(MODULES):
            (place / f"module_{module}.py").write_text(text(dice))
    (folder / "large" / "__init__.py").touch()


def text(dice: random.Random) -> str:
    """Return the source of a random module."""
    functions = range(dice.randint(FEWEST, MOST))
    parts = [
        FUNCTION.format(number=number, divisor=dice.randint(2, 5), factor=dice.randint(2, 9))
        for number in functions
    ]
    names = ", ".join(f"function_{number}" for number in functions)
    return '"""A part of it."""\n\nimport os\n' + "".join(parts) + f"\n\nFUNCTIONS = [{names}]\n"


class Meter(threading.Thread):
    """A thread that reads the clock all the time, and notes for how long it could not run."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.longest = 0.0

    def run(self) -> None:
        """Read the clock for ever."""
        last = time.monotonic()
        while True:
            now = time.monotonic()
            self.longest = max(self.longest, now - last)
            last = now

    def stall(self) -> float:
        """Return the longest time in seconds since the last call."""
        longest, self.longest = self.longest, 0.0
        return longest


def main(folder: str) -> None:
    """Import the application in `folder`, and obey the orders on standard input."""
    sys.path.insert(0, folder)
    functions: list[Any] = []
    for package in range(PACKAGES):
        for module in range(MODULES):
            found: Any = importlib.import_module(f"large.part_{package}.module_{module}")
            functions += found.FUNCTIONS
    meter = Meter()
    meter.start()
    print("ready", flush=True)
    for order in iter(sys.stdin.readline, ""):
        if order == "run\n":
            for number, function in enumerate(functions[::EVERY]):
                function(number)
        print(meter.stall(), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
