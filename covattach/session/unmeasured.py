"""Warnings for the user: processes of a tree that run Python and are not measured, and why."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from covattach.errors import CovattachError
from covattach.payloads import session_files
from covattach.process.interpreter import find_interpreter
from covattach.process.process import Process
from covattach.process.runtime import not_measured
from covattach.session import folder_lookup
from covattach.session.folder import SessionFolder
from covattach.session.measured import Measured
from covattach.session.session import Session
from covattach.session.session_lookup import last_line
from covattach.session.waiting import is_stopped

LONGEST = 1 << 16  # bytes of a traceback
WITH_VALUE = "XW"  # options of Python whose value may be the next word
ENDING = "cm"  # options after which come the program and its own options


def warnings(folder: SessionFolder) -> list[str]:
    """Return a warning for each reason why processes of a tree are not measured, with their PIDs.

    `folder` is the tree's, in which these processes have left tracebacks.
    """
    found: dict[str, list[int]] = {}
    for name in folder.names(session_files.FAULT_OF):
        pid = name.removeprefix(session_files.FAULT_OF)
        if pid.isdecimal():
            said = folder.read(name, LONGEST).decode(errors="replace")
            found.setdefault(reason(said), []).append(int(pid))
    return [sentence(sorted(pids), why) for why, pids in sorted(found.items())]


def warnings_of(found: Measured) -> list[str]:
    """Return the warnings about unmeasured processes of `found`, a tree or a single session."""
    if isinstance(found, Session):
        return of_failed([(found.pid, folder) for folder in folder_lookup.of(found.pid)])
    return [
        *warnings(found.folder),
        *of_failed([(one.pid, one.folder) for one in found.members()]),
        *map(of_stopped, filter(is_stopped, found.pids)),
    ]


def of_failed(members: list[tuple[int, SessionFolder]]) -> list[str]:
    """Return a warning for each process whose measuring ended because covattach failed in it.

    `members` are pairs of a PID and a session folder.
    """
    return [
        f"Measuring process {pid} ended by a fault of covattach's: the report has what it had saved"
        f" by then ({last_line(folder.fault)})."
        for pid, folder in members
        if folder.has(session_files.SNAPSHOT) and folder.fault
    ]


def of_subinterpreters(pid: int) -> list[str]:
    """Return a warning about the subinterpreters that a process has now, in a list, or []."""
    try:
        process = Process(pid)
        return not_measured(process, find_interpreter(process))
    except (CovattachError, OSError):
        return []  # it has ended, or we may not look


def of_stopped(pid: int) -> str:
    """Return the warning about a process of a tree that is stopped, as by SIGSTOP."""
    return (
        f"Process {pid} is stopped: the report has what it had saved before."
        f" Let it run, and dump again: `kill -CONT {pid}`."
    )


def reason(traceback: str) -> str:
    """Return the reason why a process is not measured, from the traceback that it has left."""
    lines = traceback.strip().splitlines() or ["it could not be told why"]
    kind, _, message = lines[-1].partition(": ")
    if kind.rpartition(".")[2] in ("NoCoverage", "Refused", "Unfit"):
        return message
    return f"the payload failed in it ({lines[-1]})"


def sentence(pids: list[int], why: str) -> str:
    """Return the warning that the processes `pids` were not measured, with the reason `why`."""
    which = f"Process {pids[0]} was" if len(pids) == 1 else f"{len(pids)} processes were"
    listed = "" if len(pids) == 1 else f" ({', '.join(map(str, pids))})"
    lacks = re.fullmatch(r"there is no coverage for Python (3\.\d+)", why)
    remedy = f" Get one: `covattach provision --python {lacks[1]}`." if lacks else ""
    return f"{which} not measured{listed}: {why}.{remedy}"


def by_options(command: Sequence[str]) -> str:
    """Return a warning if `command` runs Python with -E, -I or -S, or "".

    With these, Python ignores PYTHONPATH or sitecustomize.py, by which it would be measured.
    """
    if not re.fullmatch(r"python\d*(\.\d+)?", Path(command[0]).name):
        return ""
    words = iter(command[1:])
    for word in words:
        if not re.fullmatch(r"-[A-Za-z]\S*", word):
            break
        for place, letter in enumerate(word[1:], 2):
            if letter in "EIS":
                return (
                    f"{command[0]} -{letter} does not look at what would have it measured;"
                    " it can be measured only without that option."
                )
            if letter in WITH_VALUE:
                if place == len(word):
                    next(words, "")
                break
            if letter in ENDING:
                return ""
    return ""
