"""A session needs one attach of a debugger, or none at all."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest
from support.command import Covattach
from support.interpreters import Interpreter
from support.targets import Launch, Target

WRAPPER = """\
#!/bin/sh
# Keeps a copy of all commands; gdb itself is `exec`ed last, so that signals and PID are its own.
exec 3<&0
mkfifo "$0.$$"
tee -a "$0.log" <&3 >"$0.$$" &
exec {gdb} "$@" <"$0.$$"
"""


class Watcher(threading.Thread):
    """Looks at who traces the target, and whether a thread of it is stopped, all the time."""

    def __init__(self, target: Target) -> None:
        super().__init__(daemon=True)
        self.target = target
        self.seen: set[str] = set()
        self.over = threading.Event()

    def run(self) -> None:
        """Look, until told that it is over."""
        while not self.over.is_set():
            self.seen.add("tracer " + self.target.status("TracerPid"))
            for stat in Path(f"/proc/{self.target.pid}/task").glob("*/stat"):
                try:
                    state = stat.read_text().rpartition(")")[2].split()[0]
                except OSError:
                    continue
                if state in "tT":
                    self.seen.add("stopped")


def session(covattach: Covattach, target: Target, env: dict[str, str]) -> None:
    """Start, dump three times, and stop."""
    covattach("start", target.pid, env=env)
    for _ in range(3):
        target.ask("later()")
        covattach("dump", target.pid, "--no-html", env=env)
    covattach("stop", target.pid, "--no-html", env=env)


@pytest.mark.pythons("3.9", "3.13", stress=("3.11",))
@pytest.mark.parametrize("state", ["allocating", "reading"])
def test_one_attach(
    interpreter: Interpreter,
    state: str,
    covattach: Covattach,
    launch: Launch,
    tmp_path: Path,
) -> None:
    """Start, three dumps and stop attach gdb to the target once."""
    # GIVEN a target, and a gdb that notes its commands
    target = launch(interpreter, "states.py", state)
    real = shutil.which("gdb")
    assert real is not None
    wrapper = tmp_path / "bin" / "gdb"
    wrapper.parent.mkdir()
    wrapper.write_text(WRAPPER.format(gdb=real))
    wrapper.chmod(0o755)

    # WHEN there is a whole session
    session(covattach, target, {"PATH": f"{wrapper.parent}:/usr/bin:/bin"})

    # THEN gdb was told once to attach to it, and once to let it go
    told = (wrapper.parent / "gdb.log").read_text().splitlines()
    assert told.count(f"attach {target.pid}") == 1
    assert not [line for line in told if line.startswith(("break", "hbreak", "tbreak", "call"))]


@pytest.mark.pythons("3.14", "3.15")
def test_no_stop_at_all(interpreter: Interpreter, covattach: Covattach, launch: Launch) -> None:
    """By PEP 768 nobody ever traces the target, and no thread of it is ever stopped."""
    # GIVEN a target that runs, and somebody who looks
    target = launch(interpreter, "states.py", "allocating")
    watcher = Watcher(target)
    watcher.start()

    # WHEN there is a whole session without a gdb
    session(covattach, target, {"PATH": "/nowhere"})
    watcher.over.set()
    watcher.join()

    # THEN nothing was seen
    assert watcher.seen == {"tracer 0"}
