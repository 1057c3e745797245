"""What each thread of a process is doing, by the system call it is in.

Numbers are x86-64's (linux/arch/x86/entry/syscalls/syscall_64.tbl).
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from covattach.target.interpreter import Interpreter
from covattach.target.process import Process

READ, RECVFROM, RECVMSG, FUTEX, RESTART = 0, 45, 47, 202, 219
WAITING = {
    7: "poll",
    23: "select",
    34: "pause",
    35: "nanosleep",
    43: "accept",
    61: "wait4",
    128: "rt_sigtimedwait",
    130: "rt_sigsuspend",
    230: "clock_nanosleep",
    232: "epoll_wait",
    247: "waitid",
    270: "pselect6",
    271: "ppoll",
    281: "epoll_pwait",
    288: "accept4",
    441: "epoll_pwait2",
}
READING = {READ: "read", RECVFROM: "recvfrom", RECVMSG: "recvmsg"}
FUTEX_WAIT_BITSET = 9
CAN_WAIT = ("pipe:", "socket:", "anon_inode:", "/dev/pts/", "/dev/tty")


@dataclass(frozen=True)
class Activity:
    """What a thread is doing: `idle` if it waits for the outside world in the call `name`."""

    tid: int
    name: str
    idle: bool


def activity(process: Process, interpreter: Interpreter, tid: int) -> Activity:
    """Return what thread `tid` is doing now, also while it is stopped by a debugger.

    Not idle is also a thread that waits for the GIL: it stands inside the lock's own code.
    Its futex lies in `_PyRuntime`; going by its time-out instead would miss the one that a
    forced switch waits on (Python/ceval_gil.h, drop_gil).
    """
    try:
        fields = (process.proc / "task" / str(tid) / "syscall").read_text().split()
    except OSError:
        return Activity(tid, "ended", idle=False)
    if fields[:1] in (["running"], ["-1"]):
        return Activity(tid, "running", idle=False)
    try:
        number, first, second = int(fields[0]), int(fields[1], 16), int(fields[2], 16)
    except (ValueError, IndexError):
        return Activity(tid, "unknown", idle=False)
    if number in WAITING:
        return Activity(tid, WAITING[number], idle=True)
    if number in READING:
        return Activity(tid, READING[number], idle=can_wait(process, first))
    if number in (FUTEX, RESTART) and interpreter.has_in_runtime(first):
        return Activity(tid, "waiting for the GIL", idle=False)
    if number == RESTART:
        return Activity(tid, "restart_syscall", idle=True)
    if number == FUTEX:
        return Activity(tid, "futex", idle=second & 0x7F == FUTEX_WAIT_BITSET)
    return Activity(tid, f"system call {number}", idle=False)


def all_idle(process: Process, interpreter: Interpreter) -> bool:
    """Whether no thread runs, or is about to: all of them wait for the outside world."""
    threads = [int(path.name) for path in (process.proc / "task").iterdir()]
    return all(activity(process, interpreter, tid).idle for tid in threads)


def can_wait(process: Process, descriptor: int) -> bool:
    """Whether a read from this descriptor can wait for somebody, as one from a file cannot."""
    try:
        return os.readlink(process.proc / "fd" / str(descriptor)).startswith(CAN_WAIT)
    except OSError:
        return False
