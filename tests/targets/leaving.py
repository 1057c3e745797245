"""Is at its end: functions for the exit run until a file is there, then it exits with status 3."""

import atexit
import os
import sys
import tempfile
import time

import answering

where = os.path.join(tempfile.mkdtemp(), "go")


@atexit.register
def leave():
    answering.in_thread(globals())
    while not os.path.exists(where):
        time.sleep(0.001)


sys.exit(3)
