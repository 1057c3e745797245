"""Holds leases on the files in its arguments, so that whoever opens one has to wait (fcntl(2)).

`{pid}` in a path stands for its own PID.  It holds them until standard input ends.  Used by
attacks/test_leases.py.
"""

import fcntl
import os
import signal
import sys

signal.signal(signal.SIGIO, signal.SIG_IGN)  # it is asked by that to let go
held = []
for path in sys.argv[1:]:
    file = os.open(path.format(pid=os.getpid()), os.O_RDONLY)
    fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    held.append(file)
os.write(1, b"ready\n")
os.read(0, 1)
