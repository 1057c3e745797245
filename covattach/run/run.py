"""Running a program whose every Python process is measured from its first line on.

It makes the folder of a tree that nobody has to be attached to.  A Python that finds it in its
environment measures itself (payloads/processes/child_programs.py, startup/).  From then on it is a
tree like any other, known by the PID of the program.
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
BIRTH = 1.0  # seconds in which a Python that was started has opened its door, or has ended
STRAGGLING = 0.25  # seconds for the program's children to end after it


@dataclass
class Options:
    """The settings of a run: `given` are coverage's, `every` and the like are in seconds."""

    given: dict[str, Any]
    rcfile: str | None = None
    core: str | None = None
    every: float | None = None


@dataclass
class Run:
    """A program that is measured, and the folder of its tree."""

    program: Program
    folder: SessionFolder

    @functools.cached_property
    def whole(self) -> Tree:
        """The tree; the modules that look at one are imported while the program runs."""
        from covattach.session.tree import Tree

        return Tree(self.folder, self.program.pid)

    def wait(self) -> None:
        """Wait until the program has ended; import the modules for reports meanwhile."""
        fetching = threading.Thread(target=fetch)
        fetching.start()
        self.program.wait()
        fetching.join()

    def outliving(self) -> list[int]:
        """Return the processes that are still measured; those that are about to end may do so."""
        began = time.monotonic()
        folder = self.folder
        while time.monotonic() < began + STRAGGLING and carriers(folder):
            time.sleep(0.002)
        known = {one.pid for one in self.whole.members() if is_alive(one.pid, one.facts)}
        while newborn(folder, known) and time.monotonic() < began + BIRTH:
            time.sleep(0.005)
            known = {one.pid for one in self.whole.members() if is_alive(one.pid, one.facts)}
        return sorted(known)

    def forget(self) -> None:
        """Remove all that the processes have left."""
        self.whole.remove()


def start(command: Sequence[str], options: Options) -> Run:
    """Start the program; raises BadUsage if it is none, or for a bad configuration."""
    here = Process(os.getpid())
    with little_of_coverage():
        wanted = coverage_settings.read(here, options.rcfile, options.given)
    folder = folder_lookup.create(here)
    try:
        folder.withdraw()  # nobody is to be attached to
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
    """Have of coverage the modules that are asked for, and not all the rest with the package.

    The program is not to wait for that: it takes ten times as long.  What was imported is forgotten
    afterwards, so that who makes the reports imports coverage as it is.
    """
    if "coverage" in sys.modules:  # it measures us
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
    """Return the facts that are in the folder before the program has a PID."""
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
    """Return the request that each process begins with."""
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
    """Import the modules for reports, so that nobody has to wait for them at the end.

    It gives way to the program: on Linux a thread has a priority of its own (setpriority(2)).
    """
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
    import covattach.reports.reporting_coverage
    import covattach.reports.summary_table
    import covattach.session.tree  # noqa: F401


def carriers(folder: SessionFolder) -> list[int]:
    """Return the processes that were told of this tree, and theirs that were forked; not zombies.

    What a process was started with stays in /proc/PID/environ, also once it is taken out.
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
    """Whether there is a Python that was born just now, and may be about to be measured."""
    for pid in carriers(folder):
        with contextlib.suppress(NoTarget, OSError):
            name = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
            young = Process(pid).age() < BIRTH
            if pid not in known and young and name.startswith("python"):
                return not folder.has(session_files.fault_of(pid))
    return False


def is_alive(pid: int, facts: dict[str, Any]) -> bool:
    """Whether the process of a session is still there."""
    try:
        process = Process(pid)
        return process.start_time == facts.get("start_time") and process.is_alive()
    except NoTarget:
        return False
