"""Seccomp filters of a target: one could kill it for a session's system call (seccomp(2)).

A filter may answer with an error, as Docker's and systemd's do mostly: then a session fails and
says so.  But it may also kill, and that has to be known before anything is done.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from covattach.errors import NotPossible
from covattach.process import plain_files, seccomp_bpf, seccomp_calls, seccomp_filters
from covattach.process.interpreter import Interpreter
from covattach.process.libc import is_old
from covattach.process.process import Process
from covattach.process.thread_activity import threads

NONE, STRICT, FILTER = 0, 1, 2  # modes, in /proc/PID/status
# Actions in a filter's answer that do not kill.  TRAP is not among them: it sends SIGSYS, and a
# handler of that may do anything.
HARMLESS = {0x00050000, 0x7FC00000, 0x7FF00000, 0x7FFC0000, 0x7FFF0000}  # ERRNO … ALLOW
ACTION = 0xFFFF0000  # mask of the action in an answer
NAMED = 5  # system calls named in a message, at most
READING = 10.0  # seconds in which all threads have to be stopped, one after the other
REHEARSING = 10.0  # seconds for REHEARSAL
EFFORT = 8_000_000  # instructions: twenty of systemd's filters, for all calls, are a million
REHEARSAL = """\
import os, socket, tempfile, threading
with tempfile.TemporaryDirectory() as folder:
    door = socket.socket(socket.AF_UNIX)
    door.bind(folder + "/a")
    os.chmod(folder + "/a", 0o600)
    door.listen()
    threads = [threading.Thread(target=door.accept)]
    threads[0].start()
    client = socket.socket(socket.AF_UNIX)
    client.connect(folder + "/a")
    threads[0].join()
    socket.socketpair()
    os.mkdir(folder + "/b")
    os.replace(folder + "/b", folder + "/c")
    os.rmdir(folder + "/c")
"""


def check_seccomp(
    process: Process,
    interpreter: Interpreter,
    trusted: bool = False,
    deadline: float = math.inf,
) -> None:
    """Raise NotPossible where a filter of the target may kill it during a session.

    Where filters cannot be read, they are taken for harmless if they are `trusted`.  `deadline` is
    a time of `time.monotonic`.
    """
    filtered = {tid: mode for tid, mode in modes(process) if mode != NONE}
    if STRICT in filtered.values():
        raise NotPossible(
            f"Process {process.pid} is in seccomp's strict mode, which kills it at any system call"
            " but four.",
            "Measure it before it enters that mode: `covattach run`.",
        )
    try:
        until = min(deadline, time.monotonic() + READING)
        programs = seccomp_filters.of_threads(filtered, until) if filtered else []
        killing = kills(programs, interpreter, is_old(process)) if programs else set()
    except (seccomp_filters.Unreadable, seccomp_bpf.NotUnderstood, LookupError) as reason:
        if not trusted and not (has_our_filters(process, filtered) and lives_with_ours()):
            raise unknown(process, str(reason)) from None
        killing = set()
    if killing:
        raise kills_at(process, sorted(killing))


def modes(process: Process) -> Iterator[tuple[int, int]]:
    """Yield the id of each thread and its seccomp mode: NONE, STRICT or FILTER."""
    for tid in threads(process):
        with contextlib.suppress(OSError):  # it may end at any time
            status = plain_files.text(process.proc / "task" / str(tid) / "status")
            yield tid, int(field(status, "Seccomp") or NONE)


def field(status: str, name: str) -> str:
    """Return the field `name` in the text of a /proc/PID/status; "" where there is none."""
    found = (line.partition(":") for line in status.splitlines())
    return next((value.strip() for key, _, value in found if key == name), "")


def kills(programs: Iterable[bytes], interpreter: Interpreter, is_old_libc: bool) -> set[str]:
    """Return the names of the system calls of a session at which one of the filters may kill.

    `programs` are the filters as BPF byte code.  The work is bounded by counting it (EFFORT).  The
    clock of covattach.budget interrupts the main thread only, and members of a tree are attached to
    in others.
    """
    found, effort = set(), seccomp_bpf.Effort(EFFORT)
    machine = interpreter.machine
    calls = list(seccomp_calls.needed(machine, interpreter.version, is_old_libc))
    known = [(name, seccomp_calls.words(name, arguments, machine)) for name, arguments in calls]
    for program in map(seccomp_bpf.parse, programs):
        for name, words in known:
            given = seccomp_bpf.answers(program, words, effort)
            if any(answer is None or answer & ACTION not in HARMLESS for answer in given):
                found.add(name)
    return found


def has_our_filters(process: Process, filtered: dict[int, int]) -> bool:
    """Whether the target seems to have the same filters as ourselves, those of one container.

    A filter is inherited, and never removed.  So if both have as many of them, and are in the same
    PID namespace, they are taken for the container's.  `filtered` has the modes of threads by id.
    """
    own = Path("/proc/self/status").read_text(encoding="utf-8", errors="replace")
    names = ("Seccomp", "Seccomp_filters", "NoNewPrivs")
    wanted = [field(own, name) for name in names]
    if wanted[0] != str(FILTER) or not process.shares("pid"):
        return False
    for tid in filtered:
        with contextlib.suppress(OSError):
            status = plain_files.text(process.proc / "task" / str(tid) / "status")
            if [field(status, name) for name in names] != wanted:
                return False
    return True


def lives_with_ours() -> bool:
    """Whether a child process of ours survives a session's system calls under our own filters."""
    nowhere = subprocess.DEVNULL
    words = [sys.executable, "-I", "-c", REHEARSAL]
    try:
        done = subprocess.run(
            words, stdin=nowhere, stdout=nowhere, stderr=nowhere, check=False, timeout=REHEARSING
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode != -signal.SIGSYS


def kills_at(process: Process, names: list[str]) -> NotPossible:
    """Return the error for a filter that kills; `names` are of system calls."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return NotPossible(
        f"A seccomp filter of process {process.pid} may kill it at system calls that a session"
        f" needs: {', '.join(names[:NAMED])}{more}.",
        "Have that filter answer with an error instead (systemd: `SystemCallErrorNumber=EPERM`),"
        " or allow them.",
    )


def unknown(process: Process, reason: str) -> NotPossible:
    """Return the error for a filter whose effect cannot be known from here."""
    who = "inside its container, or as root outside" if os.geteuid() else "outside of its container"
    return NotPossible(
        f"Process {process.pid} has a seccomp filter that cannot be read ({reason}), and that might"
        " kill it.",
        f"Run covattach {who}; or add `--trust-seccomp` if it only refuses, as Docker's does.",
    )
