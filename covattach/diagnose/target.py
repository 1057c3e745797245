"""Preconditions of an attach, each tried for real, with the remedy that fits here.

Nothing is executed in the target, and nothing is left behind: a folder is made and removed again.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from covattach.attach import coverage_packages, preconditions
from covattach.attach.attach_lock import alone
from covattach.diagnose import machine
from covattach.diagnose.finding import Finding, tried
from covattach.errors import CovattachError, NotPossible
from covattach.injector import remote_exec
from covattach.injector.architecture import detour, support
from covattach.payloads.measure.core_choice import best_core
from covattach.process import credentials
from covattach.process.file_view import FileView
from covattach.process.interpreter import Interpreter, find_interpreter
from covattach.process.memory import open_memory
from covattach.process.process import Process
from covattach.process.runtime import check_python, not_measured
from covattach.process.seccomp import check_seccomp
from covattach.session import folder_lookup
from covattach.session.folder import opened
from covattach.session.session_lookup import find_session
from covattach.untrusted import printable

SITES = (
    "lib/python{0}/site-packages",
    "lib/python3/dist-packages",
    "local/lib/python{0}/dist-packages",
)
MOST_PLACES = 200  # folders in PYTHONPATH


def of_process(pid: int) -> Iterator[Finding]:
    """Check everything that an attach to `pid` needs, in the order in which it would fail."""
    try:
        process = Process(pid)
    except CovattachError as error:
        yield Finding("process", error.message, error)
        return
    yield Finding("process", printable(f"{pid}, of user {process.uid}: {process.command[:60]}"))
    yield tried("its state", lambda: state(process))
    allowed = tried("right to debug it", lambda: right_to(process))
    yield allowed
    if allowed.obstacle is not None:
        return  # nothing else can be looked at
    kept: list[Interpreter] = []
    known = tried("interpreter", lambda: known_interpreter(process, kept))
    yield known
    if not kept:
        return
    interpreter = kept[0]
    yield tried("Python", lambda: beginning(process, interpreter))
    yield tried("seccomp filters", lambda: filters(process, interpreter))
    yield from ways_in(process, interpreter)
    yield tried("a place for the session", lambda: place(process))
    yield tried("open files", lambda: descriptors(process))
    yield tried("working directory", lambda: directory(process))
    yield tried("coverage", lambda: coverage_for(process, interpreter))


def state(process: Process) -> str:
    """Check that the process runs; raises NotNow if it is stopped, traced or ending."""
    preconditions.check_state(process)
    return "it runs, and nobody traces it"


def right_to(process: Process) -> str:
    """Check that we may open its memory, and act as its user; raises NotPossible."""
    with alone(process), open_memory(process):
        pass
    with opened(process.root, "", process.owner):
        return "its memory could be opened" + ("" if process.sees_as_we_do else elsewhere(process))


def elsewhere(process: Process) -> str:
    """Describe the namespaces that the process does not share with us; "" if it shares all."""
    names = {"mnt": "mount", "pid": "PID", "net": "network", "user": "user"}
    own = [words for kind, words in names.items() if not process.shares(kind)]
    return f"; namespaces of its own: {', '.join(own)}" if own else ""


def known_interpreter(process: Process, kept: list[Interpreter]) -> str:
    """Find the interpreter, append it to `kept`, and describe it; raises NoTarget, NotPossible."""
    kept.append(find_interpreter(process))
    return f"CPython {kept[0].dotted}, {kept[0].path}"


def beginning(process: Process, interpreter: Interpreter) -> str:
    """Check that Python is initialised, and name subinterpreters; raises NotNow, NotPossible."""
    check_python(process, interpreter)
    return " ".join(["it is initialised.", *not_measured(process, interpreter)])


def filters(process: Process, interpreter: Interpreter) -> str:
    """Check that no seccomp filter would kill the process during a session; raises NotPossible."""
    check_seccomp(process, interpreter)
    return "it has none, or one that kills it for nothing that a session does"


def ways_in(process: Process, interpreter: Interpreter) -> Iterator[Finding]:
    """Check the ways in: PEP 768, and gdb where that is not available, or all threads sleep."""
    if remote_exec.is_available(process, interpreter):
        yield Finding("way in", "remote-exec (PEP 768), which does not stop it")
        if shutil.which("gdb") is None:
            yield Finding("gdb", "not there: needed only if every thread of it sleeps for ever")
        return
    yield tried("way in", lambda: by_gdb(process, interpreter))
    yield tried("gdb", machine.debugger)


def by_gdb(process: Process, interpreter: Interpreter) -> str:
    """Check that there is room for gdb's detour; raises NotPossible, NotNow."""
    support.check(process, interpreter)
    with open_memory(process) as memory:
        detour.find(process, interpreter, memory)
    return "gdb, which pauses it for some milliseconds; nothing in the process prevents that"


def place(process: Process) -> str:
    """Check that a session folder can be made, by making and removing one; raises NotPossible."""
    made = folder_lookup.create(process)
    made.remove()
    return f"{made.path_in_target.rpartition('/')[0]}, as the process sees it, can be written to"


def descriptors(process: Process) -> str:
    """Check that enough file descriptors are left, and describe that; raises NotNow."""
    preconditions.check_descriptors(process)
    used, limit = process.descriptors
    return f"{used} are open, of {limit} that it may have"


def directory(process: Process) -> str:
    """Check that the working directory exists, and return its path; raises NotNow."""
    preconditions.check_folder(process)
    return str(process.cwd)


def coverage_for(process: Process, interpreter: Interpreter) -> str:
    """Check that there is a coverage that fits, its own or ours, and describe it.

    Raises NotPossible if there is none.
    """
    core = best_core(False, interpreter.version)
    own = own_coverage(process, interpreter)
    if own is not None:
        return f"its own, in {own} (core {core})"
    if coverage_packages.find(interpreter.version, core) is not None:
        return f"it has none, and is given ours (core {core})"
    raise NotPossible(
        f"Neither process {process.pid} nor covattach seems to have a coverage for Python"
        f" {interpreter.dotted}.",
        f"Get one: `covattach provision --python {interpreter.dotted}`.",
    )


def own_coverage(process: Process, interpreter: Interpreter) -> str | None:
    """Return the folder of the target's own coverage, looked for in the usual places, or None."""
    environment = process.environment
    bases = {environment.get("VIRTUAL_ENV", ""), str(Path(interpreter.path).parent.parent)}
    bases.add(str(Path(os.readlink(process.proc / "exe")).parent.parent))
    bases.add(str(Path(process.command.split(" ")[0]).parent.parent))
    places = [f"{base}/{site.format(interpreter.dotted)}" for base in bases for site in SITES]
    places[:0] = environment.get("PYTHONPATH", "").split(":", MOST_PLACES)[:MOST_PLACES]
    with FileView(process.root, str(process.cwd), *credentials.of_process(process)) as view:
        for one in filter(None, places):
            with contextlib.suppress(OSError):
                view.stat(f"{one}/coverage/version.py")
                return one
    return None


def measured(pid: int) -> str:
    """Return a sentence if process `pid` is being measured already, or ""."""
    with contextlib.suppress(CovattachError):
        if find_session(pid).alive:
            return f"Process {pid} is being measured already: `covattach dump {pid}`."
    return ""
