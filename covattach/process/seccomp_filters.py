"""The seccomp filters of a thread, read by ptrace (ptrace(2), PTRACE_SECCOMP_GET_FILTER)."""

from __future__ import annotations

import contextlib
import ctypes
import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SEIZE, INTERRUPT, GET_FILTER, DETACH = 0x4206, 0x4207, 0x420C, 17
EVENT_STOP = 128  # PTRACE_EVENT_STOP: of a stop that no signal has caused
SYS_ADMIN = 21  # the number of the capability
MOST_FILTERS, MOST_INSTRUCTIONS = 4096, 4096
MOST_IN_ALL = 1 << 18  # instructions, of different filters: a thread has at most 1 << 15
STOPPING = 2.0  # seconds for a thread to stop: one that waits for a disk may take longer
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.ptrace.restype = ctypes.c_long
LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


class Unreadable(Exception):
    """We may not read filters, or the kernel cannot show them."""


def may_read() -> bool:
    """Whether the kernel shows us filters: we have CAP_SYS_ADMIN, and are under no filter."""
    status = Path("/proc/self/status").read_text(encoding="utf-8", errors="replace")
    fields = dict(line.partition(":")[::2] for line in status.splitlines())
    return bool(int(fields["CapEff"], 16) >> SYS_ADMIN & 1) and int(fields["Seccomp"]) == 0


def of_threads(tids: Iterable[int], deadline: float) -> set[bytes]:
    """Return the different filters of the threads `tids`, as BPF byte code; ended ones have none.

    Each thread is stopped for a moment, one after the other, by a thread of ours.  When that ends,
    the kernel lets a thread go on that could not be stopped in time.  `deadline` is a time of
    `time.monotonic`.  Raises Unreadable.
    """
    if not may_read():
        raise Unreadable("only root may, from outside of containers")
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(collect, list(tids), deadline).result()


def collect(tids: list[int], deadline: float) -> set[bytes]:
    """Return the different filters of the threads `tids`, for `of_threads`; raises Unreadable."""
    found: set[bytes] = set()
    size = 0
    for tid in tids:
        if time.monotonic() > deadline:
            raise Unreadable("its threads take too long to stop")
        with contextlib.suppress(ProcessLookupError), stopped(tid, deadline):
            for program in read(tid):
                size += len(program) if program not in found else 0
                found.add(program)
                if size > 8 * MOST_IN_ALL:
                    raise Unreadable("its threads have too many different ones")
    return found


@contextlib.contextmanager
def stopped(tid: int, deadline: float) -> Iterator[None]:
    """Have thread `tid` stopped in the body by ptrace, without a signal; raises Unreadable.

    If we are killed, the kernel lets it go on.  Raises ProcessLookupError if the thread has ended.
    """
    try:
        ptrace(SEIZE, tid)
    except PermissionError as error:
        raise Unreadable(str(error)) from error
    ptrace(INTERRUPT, tid)
    number = wait(tid, min(deadline, time.monotonic() + STOPPING))
    try:
        yield
    finally:
        # A signal that arrived just then is delivered now.
        ptrace(DETACH, tid, 0, number)


def wait(tid: int, deadline: float) -> int:
    """Wait until thread `tid` is stopped; return the signal that is to be delivered to it, or 0.

    Raises ProcessLookupError if it has ended, Unreadable at the `deadline`.
    """
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
    """Yield the filters of a stopped thread as BPF byte code; raises Unreadable."""
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
    """Make the system call ptrace, and return its result; raises OSError."""
    result = LIBC.ptrace(request, tid, address, data)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return int(result)
