"""Is exiting, with status 3: a function of `atexit` runs until the file `where` exists.

Used by integration/test_further_states.py.
"""

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
