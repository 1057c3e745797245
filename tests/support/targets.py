"""Starts targets and talks to them; each is always ended.

All output is printed, so that pytest shows it with a failure.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from support.waiting import PATIENCE

TARGETS = Path(__file__).parent.parent / "targets"


def session_folders() -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the session folders that are there, with their facts; not those that are damaged.

    It never waits: tests of attacks make pipes by the name of the file with the facts.
    """
    for base in ("/tmp", "/var/tmp", "/dev/shm"):  # noqa: S108
        for folder in Path(base).glob("covattach-*"):
            with contextlib.suppress(OSError, ValueError, TypeError, RecursionError):
                number = os.open(folder / "session.json", os.O_RDONLY | os.O_NONBLOCK)
                with open(number, errors="replace") as file:
                    facts = json.load(file)
                if isinstance(facts, dict):
                    yield folder, facts


class Target:
    """A process to attach to: it prints "ready", and then the values of expressions.

    They come in on its standard input, one a line (tests/targets/answering.py).
    """

    def __init__(self, arguments: Sequence[object], folder: Path, **how: Any) -> None:
        self.arguments = [str(argument) for argument in arguments]
        self.log = folder / "stderr"
        self.said: list[str] = []
        self.pending = b""
        with self.log.open("wb") as log:
            self.popen = subprocess.Popen(
                self.arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=how.pop("cwd", folder),
                **how,
            )
        self.pid = self.popen.pid
        stat = Path(f"/proc/{self.pid}/stat").read_text(errors="replace")
        self.start_time = int(stat.rpartition(")")[2].split()[19])
        self.expected_end: int | None = None

    def line(self, start: str, seconds: float = PATIENCE) -> str:
        """Return the rest of the next line that begins with `start`; fail after `seconds`."""
        assert self.popen.stdout is not None
        deadline = time.monotonic() + seconds
        while True:
            line, newline, rest = self.pending.partition(b"\n")
            if newline:
                self.pending = rest
                self.said.append(line.decode(errors="replace"))
                if self.said[-1].startswith(start):
                    return self.said[-1].removeprefix(start).strip()
                continue
            ready, _, _ = select.select([self.popen.stdout], [], [], deadline - time.monotonic())
            assert ready, f"the target did not say {start!r} in {seconds} s"
            part = os.read(self.popen.stdout.fileno(), 65536)
            assert part, f"the target ended without saying {start!r}"
            self.pending += part

    def catch_up(self) -> None:
        """Read the lines that the target has printed by now."""
        assert self.popen.stdout is not None
        while select.select([self.popen.stdout], [], [], 0)[0]:
            part = os.read(self.popen.stdout.fileno(), 65536)
            if not part:
                break
            self.pending += part
        *lines, self.pending = self.pending.split(b"\n")
        self.said += [line.decode(errors="replace") for line in lines]

    def tell(self, expression: str) -> None:
        """Send an expression to evaluate in the namespace of its main module; do not wait."""
        assert self.popen.stdin is not None
        self.popen.stdin.write(expression.encode() + b"\n")
        self.popen.stdin.flush()

    def ask(self, expression: str) -> Any:
        """Send an expression to the target, and return its value."""
        self.tell(expression)
        return json.loads(self.line("answer "))

    def status(self, name: str) -> str:
        """Return a field of /proc/PID/status, or "" if it is not there any more."""
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{self.pid}/status").read_text(errors="replace").splitlines():
                key, _, value = line.partition(":")
                if key == name:
                    return value.strip()
        return ""

    @property
    def folders(self) -> list[Path]:
        """The session folders that covattach has made for it, and not removed."""
        own = (self.pid, self.start_time)  # a process of long ago may have had the same PID
        return [
            folder
            for folder, facts in session_folders()
            if (facts.get("pid"), facts.get("start_time")) == own
        ]

    def traces(self) -> dict[str, Any]:
        """Return the traces that an attach may leave, as they show from outside the target."""
        descriptors = {}
        for link in Path(f"/proc/{self.pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                descriptors[int(link.name)] = os.readlink(link)
        masks = ("SigBlk", "SigIgn", "SigCgt")
        return {
            "descriptors": descriptors,
            "threads": sorted(int(name) for name in os.listdir(f"/proc/{self.pid}/task")),
            "children": Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text(
                errors="replace"
            ),
            "signals": {name: self.status(name) for name in masks},
            "folders": self.folders,
        }

    def residue(self) -> dict[str, Any]:
        """Return the traces that an attach may leave, as they show outside, and in the target."""
        return {**self.traces(), **self.ask("answering.residue()")}

    def assert_untouched(self, before: dict[str, Any]) -> None:
        """Fail unless the target's residue is what it was `before`.

        Only Python's own table of signal handlers may be a moment late: the main thread has to
        change it, and may not run just now.
        """
        late = {"signals of Python"}
        deadline = time.monotonic() + PATIENCE
        while set(differences(before, self.residue())) == late and time.monotonic() < deadline:
            continue
        assert differences(before, self.residue()) == {}

    def is_well(self) -> bool:
        """Whether it runs, and is neither stopped nor traced."""
        return self.status("State")[:1] in ("R", "S", "D") and self.status("TracerPid") == "0"

    def wait(self, seconds: float = PATIENCE) -> int:
        """Wait for an end that the test has brought about; return the exit status."""
        self.expected_end = self.popen.wait(seconds)
        return self.expected_end

    def close(self) -> None:
        """End and reap the target; fail if it was dead, stopped or traced, or left a folder."""
        died = self.popen.poll()
        state, tracer = self.status("State"), self.status("TracerPid")
        try:
            self.end()
        finally:
            print(f"--- target {self.pid}: {' '.join(self.arguments)}")
            print(self.remaining())
        if died is not None:
            assert self.expected_end == died, f"the target ended by itself: {died}"
        else:
            assert state[0] in "RSD", f"the target is left in state {state}"
            assert tracer == "0", f"the target is left traced by {tracer}"
        left = self.folders
        for folder in left:
            shutil.rmtree(folder, ignore_errors=True)
        assert not left, f"left behind: {left}"

    def end(self) -> None:
        """Kill it if it runs, with all that it has started, and reap it."""
        self.popen.send_signal(signal.SIGSTOP)  # a master would start others for those that end
        for child in descendants(self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        self.popen.kill()
        self.popen.wait(PATIENCE)
        assert self.popen.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.popen.stdin.close()

    def remaining(self) -> str:
        """Return its last output, as text."""
        assert self.popen.stdout is not None
        with self.popen.stdout:
            rest = (self.pending + self.popen.stdout.read()).decode(errors="replace")
        said = "\n".join(line[:300] for line in self.said[-40:])
        return f"{said}\n{rest}\n{self.log.read_text(errors='replace')}"


class Contained(Target):
    """A target in a container of its own (tests/programs/contained.py), which is ended with it.

    The parameter `root` is a folder of ours; the attribute is the path by which we see inside.
    """

    def __init__(
        self, root: str, places: str, uid: int, program: Sequence[str], folder: Path
    ) -> None:
        runtime = [
            sys.executable,
            TARGETS.parent / "programs" / "contained.py",
            root,
            places,
            uid,
            "--",
        ]
        super().__init__([*runtime, *program], folder)
        self.line("ready")
        (self.pid,) = descendants(self.popen.pid)
        self.root = Path(f"/proc/{self.pid}/root")
        stat = Path(f"/proc/{self.pid}/stat").read_text(errors="replace")
        self.start_time = int(stat.rpartition(")")[2].split()[19])

    @property
    def folders(self) -> list[Path]:
        """The session folders in the container."""
        return [path for base in ("tmp", "dev/shm", "root") for path in self.inside(base)]

    def inside(self, base: str) -> list[Path]:
        """Return the session folders in the folder `base` of the container."""
        return sorted((self.root / base).glob("covattach-*"))


def differences(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Return the entries that differ between two residues, with the parts gone and the new ones."""
    found = {}
    for name, value in after.items():
        if value != before[name]:
            gone, new = before[name], value
            if isinstance(value, dict):
                gone, new = set(before[name].items()), set(value.items())
                gone, new = gone - new, new - gone
            if isinstance(value, list):
                gone = [item for item in before[name] if item not in value]
                new = [item for item in value if item not in before[name]]
            found[name] = {"before": gone, "after": new}
    return found


def descendants(pid: int) -> list[int]:
    """Return the PIDs of a process's children, and of theirs, and so on."""
    try:
        text = "".join(
            path.read_text(errors="replace")
            for path in Path(f"/proc/{pid}/task").glob("*/children")
        )
    except OSError:
        return []
    children = [int(child) for child in text.split()]
    return children + [below for child in children for below in descendants(child)]


@contextlib.contextmanager
def open_to_all() -> Iterator[Path]:
    """Yield a temporary folder that every user can look into."""
    with tempfile.TemporaryDirectory(prefix="tests-", dir="/tmp") as name:
        os.chmod(name, 0o755)  # noqa: S103
        yield Path(name)


Launch = Callable[..., Target]  # as the fixture `launch`
