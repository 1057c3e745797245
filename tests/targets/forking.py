"""Forks when it is told to; each child executes a function of its own that no other one does.

The argument is the number of these functions; they are in `numbered.py`, which it writes into the
working directory.  If Python takes warnings for errors, a child that gets one ends with status 1.
Used by integration/test_tree_forks.py.
"""

import os
import sys
import threading

import answering

__warningregistry__ = {}  # what a fork with threads leaves, warned of or not
COUNT = int(sys.argv[1])
with open("numbered.py", "w") as file:
    file.write("".join(f"def f{n}():\n    return {n}\n" for n in range(COUNT)))
sys.path.insert(0, os.getcwd())
import numbered  # noqa: E402


def born(number, act):
    """Fork a child that exits with the status `act(number)`; return its exit code."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            status = act(number)
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def execute(number):
    return getattr(numbered, f"f{number}")() - number


def fork_again(number):
    """Fork a child that executes the function of this number; return its exit code."""
    return born(number, execute)


def fork(first, last):
    """Fork a child for each number from `first` to `last`; return exit codes that are not 0."""
    ways = (execute, fork_again)
    found = [born(number, ways[number % 2]) for number in range(first, last)]
    return [status for status in found if status]


def fork_in_threads(first, count):
    """Fork `count` children from two threads at a time; return exit codes that are not 0.

    Python's own warning must be off: a child that is forked while it is printed would find the lock
    of its standard error held for ever.
    """
    found = []

    def half(begin):
        found.extend(fork(begin, begin + count // 2))

    threads = [threading.Thread(target=half, args=(at,)) for at in (first, first + count // 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


thread = threading.Thread(target=len, args=("",))
thread.start()  # the first one has the C library install a handler of its own
while len(os.listdir("/proc/self/task")) > 1:
    thread.join()
os.write(1, b"ready\n")
answering.answer(globals())
