"""Has children that wait, as the workers of a server do; the argument is how many.

Each does something when it is told to.
"""

import os
import sys
import time

import answering

CHILDREN = {}


def have(uid=0):
    """Fork a child, which becomes another user if it is told which; return its PID."""
    orders, order = os.pipe()
    done, answer = os.pipe()
    pid = os.fork()
    if pid == 0:
        if uid:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
        work(orders, answer)
    CHILDREN[pid] = order, done
    return pid


def have_until(path):
    """Have more and more, until a file is there; return the PIDs."""
    while not os.path.exists(path):
        have()
        time.sleep(0.03)
    return list(CHILDREN)


def work(orders, answer):
    while os.read(orders, 1) == b"x":
        act()
        os.write(answer, b"y")
    os._exit(0)


def act():
    return len(CHILDREN)  # act


def tell(pid):
    """Have a child do something."""
    order, done = CHILDREN[pid]
    os.write(order, b"x")
    return os.read(done, 1) == b"y"


def end(pid):
    """Have a child end."""
    os.write(CHILDREN[pid][0], b"q")
    return os.waitpid(pid, 0)[1]


for _ in range(int(sys.argv[1])):
    have()
os.write(1, b"ready\n")
answering.answer(globals())
