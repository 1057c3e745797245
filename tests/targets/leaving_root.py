"""A master of root's that forks workers, which become the user in its argument; it ends last.

Each line that ends in `# ran` is executed in at least one of the processes.  Used by
attacks/test_strangers.py.
"""

import os  # ran
import sys  # ran

UID = int(sys.argv[1])  # ran


def become():  # ran
    os.setgroups([])  # ran
    os.setgid(UID)  # ran
    os.setuid(UID)  # ran


def worker():  # ran
    become()  # ran
    return "has worked"  # ran


def daemon(done):  # ran
    if os.fork():  # ran
        return  # ran
    os.setsid()  # ran
    become()  # ran
    os.write(done, b"x")  # ran


def root():  # ran
    return "has stayed root"  # ran


def born(work, *arguments):  # ran
    pid = os.fork()  # ran
    if not pid:  # ran
        work(*arguments)  # ran
        sys.exit()  # ran
    os.waitpid(pid, 0)  # ran


reading, writing = os.pipe()  # ran
for work in (worker, root):  # ran
    born(work)  # ran
born(daemon, writing)  # ran
os.close(writing)  # ran
while os.read(reading, 10):  # ran
    pass  # ran
