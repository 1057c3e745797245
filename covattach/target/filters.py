"""The seccomp filters of a thread, read by ptrace (ptrace(2), PTRACE_SECCOMP_GET_FILTER)."""

from __future__ import annotations

import contextlib
import ctypes
import os
import time
from collections.abc import Iterator
from pathlib import Path

SEIZE, INTERRUPT, GET_FILTER, DETACH = 0x4206, 0x4207, 0x420C, 17
EVENT_STOP = 128  # a stop that is no signal's
SYS_ADMIN = 21  # the capability
MOST_FILTERS, MOST_INSTRUCTIONS = 4096, 4096
STOPPING = 2.0  # seconds for a thread to stop: one that waits for a disk may take longer
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.ptrace.restype = ctypes.c_long
LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


class Unreadable(Exception):
    """We may not read filters, or the kernel cannot show them."""


def may_read() -> bool:
    """Whether the kernel would show them to us: root, in no container and under no filter."""
    status = Path("/proc/self/status").read_text(encoding="utf-8", errors="replace")
    fields = dict(line.partition(":")[::2] for line in status.splitlines())
    return bool(int(fields["CapEff"], 16) >> SYS_ADMIN & 1) and int(fields["Seccomp"]) == 0


def filters(tid: int) -> list[bytes]:
    """Return the filters of a thread, which is stopped for a moment; none if it has ended.

    Raises Unreadable.
    """
    if not may_read():
        raise Unreadable("only root may, from outside of containers")
    with contextlib.suppress(ProcessLookupError), stopped(tid):
        return list(read(tid))
    return []


@contextlib.contextmanager
def stopped(tid: int) -> Iterator[None]:
    """Have a thread stopped, by no signal: if we are killed, the kernel lets it go on."""
    try:
        ptrace(SEIZE, tid)
    except PermissionError as error:
        raise Unreadable(str(error)) from error
    ptrace(INTERRUPT, tid)
    number = wait(tid)
    try:
        yield
    finally:
        # A signal that was on its way just then is handed on.
        ptrace(DETACH, tid, 0, number)


def wait(tid: int) -> int:
    """Wait until a thread is stopped; return the signal that it is to get, or 0."""
    deadline = time.monotonic() + STOPPING
    while True:
        found, status = os.waitpid(tid, os.WNOHANG | 0x40000000)  # __WALL
        if found and not os.WIFSTOPPED(status):
            raise ProcessLookupError(tid)
        if found:
            return 0 if status >> 16 == EVENT_STOP else os.WSTOPSIG(status)
        if time.monotonic() > deadline:
            raise Unreadable(f"thread {tid} does not stop")
        time.sleep(0.0002)


def read(tid: int) -> Iterator[bytes]:
    """Yield the filters of a thread that is stopped."""
    content = ctypes.create_string_buffer(8 * MOST_INSTRUCTIONS)
    for place in range(MOST_FILTERS):
        try:
            count = ptrace(GET_FILTER, tid, place, ctypes.addressof(content))
        except FileNotFoundError:
            return
        except OSError as error:
            raise Unreadable(str(error)) from error
        yield content.raw[: 8 * count]


def ptrace(request: int, tid: int, address: int = 0, data: int = 0) -> int:
    """Call ptrace; raises OSError."""
    result = LIBC.ptrace(request, tid, address, data)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return int(result)
