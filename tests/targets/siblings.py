"""Has children that wait, as a server's workers do; the argument is how many.

Each child runs a function when it is told to.  Used by integration/test_tree_edges.py.
"""

import os
import sys
import time

import answering

CHILDREN = {}


def have(uid=0):
    """Fork a child, which becomes the user `uid` unless that is 0; return its PID."""
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
    """Fork a child every 30 ms until the file `path` exists; return all PIDs."""
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
    """Have the child `pid` call `act`; return True once it has."""
    order, done = CHILDREN[pid]
    os.write(order, b"x")
    return os.read(done, 1) == b"y"


def end(pid):
    """Have the child `pid` end; return its wait status."""
    os.write(CHILDREN[pid][0], b"q")
    return os.waitpid(pid, 0)[1]


for _ in range(int(sys.argv[1])):
    have()
os.write(1, b"ready\n")
answering.answer(globals())
