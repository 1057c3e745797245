"""Works and waits in turn; forks, ends, or becomes another program when it is told to.

With the argument "private" it has file systems of 16 MB of its own at /tmp, /var/tmp and /dev/shm.
Used by stress/test_faults.py.
"""

import os
import sys
import threading
import time

import answering

go = threading.Event()
lines = []


def later():
    """Execute a line that had not been executed before."""
    lines.append("later")  # later


def fork():
    """Fork a child that ends after 50 ms."""
    if os.fork() == 0:
        time.sleep(0.05)
        os._exit(0)


def become_another():
    """Execute itself again, as another Python program in the same process."""
    os.execv(sys.executable, [sys.executable, *sys.argv])  # noqa: S606


def have_folders():
    """Mount file systems of its own at the places where session folders are made."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    private, new_namespace = ctypes.c_ulong(1 << 18 | 16384), 0x20000
    done = libc.unshare(new_namespace) or libc.mount(b"none", b"/", b"none", private, None)
    for place in (b"/tmp", b"/var/tmp", b"/dev/shm"):
        done = done or libc.mount(b"none", place, b"tmpfs", 0, b"size=16m,mode=1777")
    assert not done, os.strerror(ctypes.get_errno())


if "private" in sys.argv:
    have_folders()
answering.in_thread(globals())
while not go.wait(0.01):
    sum(range(2000))
