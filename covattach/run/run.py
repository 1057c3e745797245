"""Running a program whose every Python process is measured from its first line on.

First the folder of a tree is made, before there is any process to attach to.  A Python that finds
this folder in its environment measures itself (payloads/processes/child_programs.py, startup/).
From then on it is a tree like any other, known by the PID of the program.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from covattach import inherited, interrupts
from covattach.attach import compile_payloads, coverage_packages
from covattach.errors import NoTarget
from covattach.payloads import session_files
from covattach.payloads.processes.child_programs import TREE, additions
from covattach.payloads.processes.tree import announce
from covattach.process import plain_files
from covattach.process.process import LONGEST_ENVIRONMENT, Process
from covattach.run.child_program import Program
from covattach.session import coverage_settings, folder_lookup
from covattach.session.folder import SessionFolder

if TYPE_CHECKING:
    from covattach.session.tree import Tree

METHOD = "run"
BIRTH = 1.0  # seconds in which a started Python listens on its socket, or has ended
STRAGGLING = 0.25  # seconds for the program's children to end after it


@dataclass
class Options:
    """The settings of a run: `given` are coverage's on the command line, `every` is in seconds."""

    given: dict[str, Any]
    rcfile: str | None = None
    core: str | None = None
    every: float | None = None


@dataclass
class Run:
    """A program that has been started, and the folder of its tree."""

    program: Program
    folder: SessionFolder

    @functools.cached_property
    def whole(self) -> Tree:
        """The Tree of the program; its modules are imported while the program runs, see `fetch`."""
        from covattach.session.tree import Tree

        return Tree(self.folder, self.program.pid)

    def wait(self) -> None:
        """Wait until the program has ended; import the modules for reports meanwhile."""
        fetching = threading.Thread(target=fetch)
        fetching.start()
        self.program.wait()
        fetching.join()

    def outliving(self) -> list[int]:
        """Return the PIDs that are still measured, after a moment for those that end or begin."""
        began = time.monotonic()
        folder = self.folder
        while time.monotonic() < began + STRAGGLING and carriers(folder):
            time.sleep(0.002)
        known = {one.pid for one in self.whole.members() if is_alive(one.pid, one.facts)}
        while newborn(folder, known) and time.monotonic() < began + BIRTH:
            time.sleep(0.005)
            known = {one.pid for one in self.whole.members() if is_alive(one.pid, one.facts)}
        return sorted(known)

    def discard(self) -> None:
        """Remove the folders of the tree's processes, with all that they saved."""
        self.whole.remove()


def start(command: Sequence[str], options: Options) -> Run:
    """Start the program, to be measured; raises BadUsage if it cannot be run.

    The error is also raised for a bad configuration of coverage.
    """
    here = Process(os.getpid())
    with little_of_coverage():
        wanted = coverage_settings.read(here, options.rcfile, options.given)
    folder = folder_lookup.create(here)
    try:
        folder.remove_token()  # nobody is to be attached to
        code = compile_payloads.payloads_for(command[0])
        if code is not None:
            folder.add_file(session_files.COMPILED, code)
        facts = {**first_facts(here, folder, command, wanted), "key": folder_lookup.new_key()}
        folder.write_facts(facts)
        core = coverage_settings.asked_core(wanted, options.core)
        asked = request(here, folder, options, wanted, core)
        announce({**asked, "key": facts["key"]}, float("inf"))
        environment = inherited.given()
        environment.update(additions(folder.path_in_target, environment))
        program = Program(command, environment, interrupts.ignored)
    except BaseException:
        folder.remove()
        raise
    folder.write_facts({**facts, "pid": program.pid, "start_time": Process(program.pid).start_time})
    return Run(program, folder)


@contextlib.contextmanager
def little_of_coverage() -> Iterator[None]:
    """Have imports of single modules of coverage in the body not import the whole package.

    The program would have to wait for the package: it takes ten times as long.  Afterwards all of
    it is removed from `sys.modules`, so that reports import coverage as it is.
    """
    if "coverage" in sys.modules:  # coverage is measuring this process
        yield
        return
    package = ModuleType("coverage")
    package.__path__ = [os.fspath(coverage_packages.own())]
    sys.modules["coverage"] = package
    try:
        yield
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "coverage"]:
            del sys.modules[name]


def first_facts(
    here: Process, folder: SessionFolder, command: Sequence[str], wanted: dict[str, Any]
) -> dict[str, Any]:
    """Return the facts for the tree's folder that are known before the program has a PID.

    `here` is our own process; `wanted` are all settings.
    """
    now = time.time()
    return {
        "tree": folder.path_in_target,
        "method": METHOD,
        "command": " ".join(command),
        "cwd": str(here.cwd),
        "created": now,
        "since": now,
        "branch": bool(wanted.get("run:branch")),
        "attacher": [here.pid, here.start_time],
        "settings": wanted,
        "warnings": coverage_settings.warnings(wanted),
    }


def request(
    here: Process, folder: SessionFolder, options: Options, wanted: dict[str, Any], core: str | None
) -> dict[str, Any]:
    """Return the request with which each process of the tree begins to measure itself."""
    branch = bool(wanted.get("run:branch"))
    return {
        "verb": "start",
        "tree": folder.path_in_target,
        "options": {
            "settings": coverage_settings.measuring(wanted),
            "core": core,
            "brought": coverage_packages.bring_all(here, folder, branch, core),
        },
        "every": options.every,
    }


def fetch() -> None:
    """Import the modules for reports in a thread, so that nobody has to wait for them at the end.

    The thread has a low priority, to give way to the program: on Linux a thread has one of its own
    (setpriority(2)).
    """
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
    import covattach.reports.reporting_coverage
    import covattach.reports.summary_table
    import covattach.session.tree  # noqa: F401


def carriers(folder: SessionFolder) -> list[int]:
    """Return the PIDs of processes that were started with this tree in their environment.

    Forked children of these have it too; zombies do not.  It stays in /proc/PID/environ, even if
    the process has removed it.
    """
    needle = f"{TREE}={folder.path_in_target}".encode() + b"\0"
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                if needle in plain_files.beginning(f"{entry.path}/environ", LONGEST_ENVIRONMENT):
                    found.append(int(entry.name))
    return found


def newborn(folder: SessionFolder, known: set[int]) -> bool:
    """Whether a Python process of the tree has just begun, and may yet be measured.

    `known` are the PIDs that are measured already.
    """
    for pid in carriers(folder):
        with contextlib.suppress(NoTarget, OSError):
            name = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
            young = Process(pid).age() < BIRTH
            if pid not in known and young and name.startswith("python"):
                return not folder.has(session_files.fault_of(pid))
    return False


def is_alive(pid: int, facts: dict[str, Any]) -> bool:
    """Whether `pid` is still the process that `facts`, those of a session, are about."""
    try:
        process = Process(pid)
        return process.start_time == facts.get("start_time") and process.is_alive()
    except NoTarget:
        return False
