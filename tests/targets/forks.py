"""Forks in the way of its argument, and notes how many threads there were at each fork.

`answer` forks when it is told to.  `often` forks 40 times a second, as servers do for requests.
`sleep` forks after each sleep of 0.3 s, and `always` does nothing else.  It ends with its standard
input.  Used by integration/test_forks_during_attach.py, payloads/test_forks.py and
stress/test_hazards.py.
"""

import os
import select
import sys
import threading
import time
import warnings

import answering

__warningregistry__ = {}  # what a fork with threads leaves, warned of or not
during = []  # what is to be done in the middle of the next fork
present = []  # how many threads there were at each fork
crowds = []  # how many there were at those forks at which there was more than one
statuses = []
lines = []
held = threading.Event()
reached = threading.Event()


def later():
    """Execute a line that had not been executed before."""
    lines.append("later")  # later
    return len(lines)


def before():
    """Do what `during` asks for, and count the threads: a hook that is called before each fork.

    Hooks that are registered later are called earlier.
    """
    while during:
        during.pop()()
    present.append(len(os.listdir("/proc/self/task")))
    crowds.extend(count for count in present[-1:] if count > 1)


def fork(count=1):
    """Fork `count` times; return how many threads there were each time."""
    del present[:]
    for _ in range(count):
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        statuses.append(os.waitpid(pid, 0)[1])
    return list(present)


def fork_meanwhile(line):
    """Fork, and execute the source `line` in the middle of that, from a hook."""
    during.append(lambda: exec(line, {}))
    return fork()


def fork_and_hold():
    """Fork in another thread, which stays in the middle of that until `release` is called."""
    during.append(lambda: reached.set() or held.wait())
    threading.Thread(target=fork).start()
    return reached.wait(30)


def release():
    """Let that thread go on, and wait for its end; return how many threads there are."""
    held.set()
    for one in threading.enumerate():
        if one is not threading.current_thread():
            one.join(30)
    return threading.active_count()


def be_strict():
    """Make every warning an exception from now on."""
    warnings.simplefilter("error")


def serve(pause):
    """Fork again and again, after a sleep of `pause` seconds; answer in between."""
    warnings.simplefilter("ignore")  # while it is attached to, threads come and go
    while True:
        time.sleep(pause)
        fork()
        while select.select([0], [], [], 0)[0]:
            line = os.read(0, 65536)
            if not line:
                os._exit(9)
            answering.respond(line.decode(), globals())


thread = threading.Thread(target=len, args=("",))
thread.start()  # the first one has the C library install a handler of its own
while len(os.listdir("/proc/self/task")) > 1:
    thread.join()
os.register_at_fork(before=before)
os.write(1, b"ready\n")
if sys.argv[1] == "answer":
    answering.answer(globals())
serve({"always": 0.0, "often": 0.025, "sleep": 0.3}[sys.argv[1]])
