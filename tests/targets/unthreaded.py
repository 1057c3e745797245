"""Has not imported `threading`; at SIGUSR1 it executes the bootstrap line in its argument.

The arguments are "main" or "other", the thread that is to execute it, and the bootstrap line.  When
standard input ends, it imports `threading`, and prints whether its main thread is the right one.
Used by payloads/test_harm.py.
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
