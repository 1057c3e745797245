"""A program of three processes that ends in a moment, for `bench/run.py`."""

import os
import sys


def work(count: int) -> int:
    """Compute for some milliseconds."""
    return sum(number * number for number in range(count))


def main() -> None:
    """Print the PID, have two children work, and end when they have."""
    print(os.getpid(), flush=True)
    children = []
    for count in (20_000, 30_000):
        pid = os.fork()
        if pid == 0:
            work(count)
            sys.exit()
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
