"""Becomes a daemon once the file `go` exists: two forks, and every descriptor closed.

The daemon writes its PID into the file `pid`, and works until that is removed.  It opens nothing
but its standard streams, which must become the descriptors 0, 1 and 2.  Used by
integration/test_daemons.py and test_run.py.
"""

import os
import sys
import time


def work():
    time.sleep(0.01)
    return sum(range(9))  # daemon


def become_a_daemon():
    """Fork twice; return, in the daemon only, the descriptors of its streams, which must be 0 to 2.

    Returns None in the first process.
    """
    if os.fork():
        return None
    os.setsid()
    if os.fork():
        os._exit(0)
    os.chdir("/")
    os.closerange(0, 4096)
    return [os.open("/dev/null", os.O_RDWR) for _ in range(3)]


folder = os.getcwd()
os.write(1, b"ready\n")
while not os.path.exists(folder + "/go"):
    time.sleep(0.01)
streams = become_a_daemon()
if streams is None:
    sys.stdin.read()
else:
    work()
    with open(folder + "/new", "w") as file:
        file.write(f"{os.getpid()} {streams}")
    os.rename(folder + "/new", folder + "/pid")
    while os.path.exists(folder + "/pid"):
        work()
