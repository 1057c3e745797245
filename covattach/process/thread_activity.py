"""Activities of a process's threads, by the system calls they are in.

Numbers are x86-64's (linux/arch/x86/entry/syscalls/syscall_64.tbl).
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from dataclasses import dataclass

from covattach.process import plain_files
from covattach.process.interpreter import Interpreter
from covattach.process.memory import ended
from covattach.process.memory_map import parse_mapping
from covattach.process.process import LONGEST_MAPS, Process

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
STACK = 1 << 18  # bytes of free stack to run the line: threads of C may have little
RUNNING, ENDED, FOR_THE_GIL = MOVING = ("running", "ended", "waiting for the GIL")
CAN_WAIT = ("pipe:", "socket:", "anon_inode:", "/dev/pts/", "/dev/tty")


@dataclass(frozen=True)
class Activity:
    """The activity of a thread: `idle` if it waits for the outside world in the system call `name`.

    Where it is in none, `name` is RUNNING, ENDED or FOR_THE_GIL.
    """

    tid: int
    name: str
    idle: bool

    @property
    def waits(self) -> bool:
        """Whether it waits in a system call of any kind, but not for the GIL."""
        return self.name not in MOVING


def activity(process: Process, interpreter: Interpreter, tid: int) -> Activity:
    """Return the activity of thread `tid` now, also while it is stopped by a debugger.

    A thread that waits for the GIL is not idle: it stands inside the lock's own code.  Its futex
    lies in `_PyRuntime`.  A check of its time-out instead would miss the wait after a forced switch
    (Python/ceval_gil.h, drop_gil).
    """
    try:
        fields = plain_files.text(process.proc / "task" / str(tid) / "syscall").split()
    except OSError:
        return Activity(tid, ENDED, idle=False)
    if fields[:1] in (["running"], ["-1"]):
        return Activity(tid, RUNNING, idle=False)
    try:
        number, first, second = int(fields[0]), int(fields[1], 16), int(fields[2], 16)
    except (ValueError, IndexError):
        return Activity(tid, "unknown", idle=False)
    if number in WAITING:
        return Activity(tid, WAITING[number], idle=True)
    if number in READING:
        return Activity(tid, READING[number], idle=can_wait(process, first))
    if number in (FUTEX, RESTART) and interpreter.has_in_runtime(first):
        return Activity(tid, FOR_THE_GIL, idle=False)
    if number == RESTART:
        return Activity(tid, "restart_syscall", idle=True)
    if number == FUTEX:
        return Activity(tid, "futex", idle=second & 0x7F == FUTEX_WAIT_BITSET)
    return Activity(tid, f"system call {number}", idle=False)


def threads(process: Process) -> list[int]:
    """Return the ids of the threads, the main one's first; raises NotNow where it has ended."""
    try:
        return sorted(int(name) for name in os.listdir(process.proc / "task"))
    except OSError:
        raise ended(process) from None


def asleep(process: Process, interpreter: Interpreter, known: Collection[int]) -> bool:
    """Whether all of Python's threads wait in system calls, but not for the GIL, and one is idle.

    `known` are the ids of Python's threads: other threads, of C code, do not show that Python will
    run.  Where C code has forked, as uWSGI's master does, Python still has the parent's thread ids:
    then all threads count.
    """
    tids = threads(process)
    found = [activity(process, interpreter, one) for one in [t for t in tids if t in known] or tids]
    return any(one.idle for one in found) and all(one.waits for one in found)


def traces_of_moving(process: Process, tid: int) -> tuple[str, ...]:
    """Return texts of /proc that change when a thread runs: its system call and context switches.

    () if the thread has ended.
    """
    try:
        task = process.proc / "task" / str(tid)
        status = plain_files.text(task / "status")
        switches = re.findall(r"^.*ctxt_switches.*$", status, re.M)
        return plain_files.text(task / "syscall"), *switches
    except OSError:
        return ()


def to_send(process: Process, interpreter: Interpreter, before: tuple[str, ...]) -> int:
    """Return the id of the thread that is to execute something: mostly the main thread.

    The main thread may have stood still since `before` (of `traces_of_moving`), in a call in which
    nothing may be run.  Such a call is the wait for a mutex (uWSGI's threads take turns to accept).
    It may not move for long: then another thread is taken that is idle, and has a stack like one of
    Python's.
    """
    main = activity(process, interpreter, process.pid)
    if main.idle or not main.waits or traces_of_moving(process, process.pid) != before:
        return process.pid
    for tid in threads(process):
        if activity(process, interpreter, tid).idle and room_on_stack(process, tid) > STACK:
            return tid
    return process.pid


def room_on_stack(process: Process, tid: int) -> int:
    """Return the number of bytes between a waiting thread's stack pointer and its stack's end.

    0 if that is unknown.
    """
    try:
        where = plain_files.text(process.proc / "task" / str(tid) / "syscall")
        pointer = int(where.split()[-2], 16)
        maps = plain_files.whole(process.proc / "maps", LONGEST_MAPS).decode(
            errors="surrogateescape"
        )
    except (OSError, IndexError):
        return 0
    lines = filter(None, maps.split("\n"))
    found = (mapping.start for mapping in map(parse_mapping, lines) if pointer in mapping)
    return pointer - next(found, pointer)


def can_wait(process: Process, descriptor: int) -> bool:
    """Whether a read from `descriptor` can wait for somebody, as one from a plain file cannot."""
    try:
        return os.readlink(process.proc / "fd" / str(descriptor)).startswith(CAN_WAIT)
    except OSError:
        return False
