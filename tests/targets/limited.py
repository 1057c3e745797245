"""Sets a time limit by a signal handler that raises in the main thread, very often.

Each exception of the handler must arrive where the main thread waits for it; `count` has the
numbers.  Used by integration/test_first_line.py and stress/test_hazards.py.
"""

import signal

import answering

count = {"raised": 0, "arrived": 0}
is_armed = False
lines = []


class Limit(Exception):
    """The handler's exception."""


def handler(number, frame):
    global is_armed
    if is_armed:
        is_armed = False
        count["raised"] += 1
        raise Limit


def later():
    """Execute a line that had not been executed before."""
    lines.append("later")  # later
    return len(lines)


def turn():
    """Arm the handler, and run until it raises."""
    global is_armed
    is_armed = True
    while is_armed:
        for _ in range(10):
            pass
    for _ in range(1000):
        pass


signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
answering.in_thread(globals())
while True:
    try:
        turn()
        count["lost"] = count["raised"]
    except Limit:
        count["arrived"] += 1
