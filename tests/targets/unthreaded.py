"""Has not imported `threading`; at SIGUSR1 it executes the launcher's line of its argument.

Its arguments are "main" or "other", the thread to launch from, and the launcher's line.  When its
standard input ends it says which thread is the main one for `threading`.
"""

import os
import signal
import sys

assert "threading" not in sys.modules
where, launcher = sys.argv[1:]


def launch():
    exec(launcher, {})


def on_signal(number, frame):
    if where == "main":
        launch()
    else:
        import _thread

        _thread.start_new_thread(launch, ())


signal.signal(signal.SIGUSR1, on_signal)
os.write(1, b"ready\n")
while os.read(0, 100):
    print("alive", flush=True)
import threading  # noqa: E402

print("same" if threading.current_thread() is threading.main_thread() else "other", flush=True)
