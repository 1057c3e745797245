"""Compiles and runs new code all the time, while a signal handler raises at random instants.

Used by payloads/test_raising_handlers.py and stress/test_hazards.py.
"""

import random
import signal

import answering

count = [0]
lines = []
SOURCE = "def function(): pass\nfunction()\n" * 20


class Raised(Exception):
    """The handler's exception."""


def handler(number, frame):
    count[0] += 1
    raise Raised


def later():
    """Execute a line that had not been executed before."""
    lines.append("later")  # later
    return len(lines)


def fresh():
    """Compile and run new code; return True if it comes to its end."""
    exec(compile(SOURCE, __file__, "exec"), {})
    return True


signal.signal(signal.SIGALRM, handler)
answering.in_thread(globals())
while True:
    try:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(2e-5, 4e-4))  # noqa: S311
        for _ in range(20):
            fresh()
        signal.setitimer(signal.ITIMER_REAL, 0)
    except Raised:
        continue
