"""A process with children for `bench/tree.py`: `crowd.py COUNT`, with COUNT processes in all.

Each waits, as a worker of a server does, until it is told to answer a request; nothing else is
executed.  The first process prints "ready".  It answers the order "pids" with the PIDs of all, and
at "run" it has all of them answer a request.  It must run on every interpreter, so it keeps to the
syntax of 3.9.
"""

from __future__ import annotations

import os
import sys

import flask_app


def work(orders: int, answers: int) -> None:
    """Answer a request for each byte from `orders`, and write one to `answers`, until the end."""
    while os.read(orders, 1):
        flask_app.request()
        os.write(answers, b".")
    os._exit(0)


def main(count: int) -> None:
    """Fork the children, and obey the orders on standard input."""
    done, answers = os.pipe()
    children: dict[int, int] = {}
    for _ in range(count - 1):
        orders, order = os.pipe()
        pid = os.fork()
        if pid == 0:
            for other in children.values():
                os.close(other)
            os.close(order)
            work(orders, answers)
        os.close(orders)
        children[pid] = order
    print("ready", flush=True)
    for line in sys.stdin:
        if line == "run\n":
            flask_app.request()
            for order in children.values():
                os.write(order, b".")
            for _ in children:
                os.read(done, 1)
        print(*(os.getpid(), *children), flush=True)


main(int(sys.argv[1]))
