"""Writes its last words from a destructor, when the interpreter is finalised.

The argument is "gevent", or anything else for a thread.  Used by payloads/test_at_the_end.py.
"""

import os
import sys
import threading
import weakref

import answering


class Database:
    """Closes itself, by a Python method, when nothing refers to it any more."""

    def __del__(self, write=os.write):
        self.close(write)

    def close(self, write):
        for part in (b"closed ", b"well\n"):
            write(1, part)


def pauses():
    """Sleep again and again, for ever."""
    while True:
        sleep(0.01)


sys.keep = Database()
kept = Database()
weakref.finalize(kept, print, "finalized", flush=True)
over = threading.Event()
if sys.argv[1] == "gevent":
    import gevent

    sleep = gevent.sleep
    many = [gevent.spawn(pauses) for _ in range(20)]
else:
    sleep = over.wait
    threading.Thread(target=pauses, daemon=True).start()
answering.in_thread(globals())
while not over.is_set():
    sleep(0.01)
sys.exit(3)
