"""Ends in the way of its argument, right after it has executed new lines, marked `# last`.

It ends by an exception, a status or SIGTERM, which it may handle.  Used by
integration/test_first_line.py and test_ends_of_targets.py.
"""

import os
import signal
import sys
import threading

import answering

go = threading.Event()
done = []


def last():
    done.append(1)  # last
    done.append(2)  # last


def on_signal(number, frame):
    done.append(number)  # last
    sys.exit(7)  # last


def in_thread():
    go.wait()
    last()
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait()


how = sys.argv[1]
if how == "handler":
    signal.signal(signal.SIGTERM, on_signal)
if how in ("default", "handler"):
    threading.Thread(target=in_thread, daemon=True).start()
answering.in_thread(globals())
if how == "ignored":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if how in ("default", "handler"):
    while True:
        threading.Event().wait(0.01)
go.wait()
last()
if how == "raises":
    raise ValueError("on purpose")
if how == "status":
    sys.exit(3)
