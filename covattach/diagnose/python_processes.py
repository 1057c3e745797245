"""The Python processes of this host, as /proc and their ELF files show them; none is touched."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass

from covattach.attach import preconditions
from covattach.budget import TooMuch
from covattach.diagnose.allowances import Allowances
from covattach.errors import CovattachError, NoTarget, NotPossible
from covattach.injector import remote_exec
from covattach.injector.architecture import support
from covattach.process import plain_files, procfs_errors
from covattach.process.interpreter import Interpreter, find_interpreter, interpreter_file, runs_pypy
from covattach.process.process import LONGEST_COMMAND, Process
from covattach.process.runtime import check_python
from covattach.session import folder_lookup

PYTHON = re.compile(r"(^|/)(python|pypy)[\d.]*$")  # a program's name, where nothing else is known
OURS = re.compile(r"(^|/)covattach$")
WAITING = 2.0  # seconds, for all processes of one user
LOOKING = 0.05  # seconds for a tracer to detach: a profiler traces only for a moment


@dataclass(frozen=True)
class Python:
    """A Python process: a row of `ps`.

    `why_not` and `remedy` say why it cannot be attached to now; both are "" if it can.  `python` is
    the version, X.Y, or None where we may not look.
    """

    pid: int
    user: str
    python: str | None
    command: str
    is_measured: bool
    why_not: str = ""
    remedy: str = ""

    @property
    def can_attach(self) -> bool:
        """Whether none of the checks made here speaks against `covattach start`."""
        return not self.why_not


def pythons(beginning: str = "") -> list[Python]:
    """Return the Python processes of this host, by PID, without covattach itself.

    Only those whose PIDs begin with the digits in `beginning`: to look at hundreds takes a second.
    """
    wanted = [pid for pid in sorted(pids()) if str(pid).startswith(beginning)]
    looking = Looking()
    return [one for pid in wanted if (one := looking.at(pid)) is not None]


def pids() -> Iterator[int]:
    """Yield the PIDs of this host's processes, without kernel threads and covattach's own."""
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            words = arguments(int(name))
            if any(words) and not is_covattach(words):
                yield int(name)


def arguments(pid: int) -> list[str]:
    """Return the words of a process's command line; [] if it has ended."""
    try:
        words = plain_files.beginning(f"/proc/{pid}/cmdline", LONGEST_COMMAND)
        return words.decode(errors="replace").rstrip("\0").split("\0")
    except OSError:
        return []


def is_covattach(words: list[str]) -> bool:
    """Whether the command line `words` runs covattach, as a program or by `python -m covattach`."""
    return bool(OURS.search(words[0])) or any(
        OURS.search(word) and (number == 1 or words[number - 1] == "-m")
        for number, word in enumerate(words[:8])
        if number
    )


class Looking:
    """Looks at many processes, with a limit on the work for each user."""

    def __init__(self) -> None:
        self.listing = folder_lookup.Listing()
        self.allowances = Allowances()

    def at(self, pid: int) -> Python | None:
        """Return the row of process `pid`, or None if it runs no Python, or has ended."""
        try:
            with self.allowances.looking_at(pid) as user, procfs_errors.made_sense():
                process = Process(pid)
                if not is_python(process):
                    return None
                waits = self.allowances.waits[user]
                return described(process, self.listing, LOOKING if waits < WAITING else 0.0)
        except TooMuch as error:
            return unseen(pid, error)
        except (CovattachError, OSError):
            return None  # it has ended meanwhile


def look(pid: int) -> Python | None:
    """Return the row of process `pid`, or None if it runs no Python, or has ended."""
    return Looking().at(pid)


def unseen(pid: int, error: TooMuch) -> Python | None:
    """Return the row of a process that could not be looked at; None if its name is not Python's.

    `error` says why.
    """
    words = arguments(pid)
    if not PYTHON.search(words[0] if words else ""):
        return None
    return Python(pid, "?", None, " ".join(words), False, error.message, error.remedy)


def is_python(process: Process) -> bool:
    """Whether a process runs Python, judged by its program's name where we may not look."""
    try:
        return interpreter_file(process) is not None or runs_pypy(process)
    except NotPossible:
        return any(PYTHON.search(word) for word in arguments(process.pid)[:1])


def described(
    process: Process, listing: folder_lookup.Listing, patience: float = LOOKING
) -> Python:
    """Return the row of a Python process; raises NoTarget if it ends meanwhile.

    `listing` has the session folders.  If the process is being traced, we wait for `patience`
    seconds for that to end.
    """
    version, why_not, remedy = None, "", ""
    try:
        interpreter = find_interpreter(process)
        version = interpreter.dotted
        preconditions.check_state(process, patience)
        check_python(process, interpreter)
        check_way(process, interpreter)
    except CovattachError as error:
        why_not, remedy = error.message, error.remedy
    return Python(
        pid=process.pid,
        user=user_name(process.uid),
        python=version,
        command=" ".join(arguments(process.pid)),
        is_measured=bool(version and listing.of(process)),
        why_not=why_not,
        remedy=remedy,
    )


def check_way(process: Process, interpreter: Interpreter) -> None:
    """Raise NotPossible if neither PEP 768 nor gdb can be used; `covattach doctor` looks closer."""
    if remote_exec.is_available(process, interpreter):
        return
    support.check(process, interpreter)
    if shutil.which("gdb") is None:
        raise NotPossible(
            "There is no gdb on this machine's PATH, and this target needs it.",
            "Install it: `apt install gdb`, or `dnf install gdb`.",
        )


def user_name(uid: int) -> str:
    """Return the name of the user ID `uid`, or the number as text if it has no name here."""
    with contextlib.suppress(KeyError):
        return pwd.getpwuid(uid).pw_name
    return str(uid)


def matching(pattern: re.Pattern[str]) -> list[Python]:
    """Return the Python processes whose command line has `pattern` in it; raises NoTarget.

    Neither covattach itself is among them nor the program that started this one: their command
    lines have the pattern because they are told of it.
    """
    above = ancestors()
    matches, looking = Allowances(), Looking()
    wanted = [pid for pid in sorted(pids()) if is_like(pid, pattern, matches)]
    looked_at = (looking.at(pid) for pid in wanted if pid not in above)
    found = [one for one in looked_at if one is not None]
    if not found:
        raise NoTarget(
            f"No Python process has {pattern.pattern!r} in its command line.",
            "See which there are: `covattach ps`.",
        )
    return found


def is_like(pid: int, pattern: re.Pattern[str], matches: Allowances) -> bool:
    """Whether the command line of process `pid` contains `pattern`; False if that takes long."""
    try:
        with matches.looking_at(pid):
            return bool(pattern.search(" ".join(arguments(pid))))
    except (TooMuch, OSError):
        return False


def ancestors() -> set[int]:
    """Return the PIDs of this process's parent, of that one's parent, and so on."""
    found = set()
    pid = os.getppid()
    while pid > 0 and pid not in found:
        found.add(pid)
        try:
            pid = int(Process(pid).status["PPid"])
        except (NoTarget, OSError):
            break
    return found
