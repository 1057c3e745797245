"""Long runs in parts: `make stress` can end after some minutes, and go on where it was.

    make stress ARGS="--minutes 45"            at most so long; the test that is running is finished
    make stress ARGS="--minutes 45 --resume"   go on: leave out the tests that have passed already

With `-n 2 --dist worksteal` two processes share the tests; so they do as two runs with a `-k` each.
A ledger in the checkout gets a line of JSON for each stress test: its outcome, and the figures that
it records by `record_property`.  The last entry of a test counts.  tools/stress_tables.py makes the
tables in docs/ from it, and keeps its entries in docs/stress.jsonl, where others go on from.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

LEDGER = Path(".stress") / "ledger.jsonl"
ARCHIVE = Path("docs") / "stress.jsonl"


class Ledger:
    """The outcomes of stress tests: new ones are written to `path`, older ones are in `archive`."""

    def __init__(self, path: Path, archive: Path | None = None) -> None:
        self.path = path
        self.archive = archive

    def entries(self) -> list[dict[str, Any]]:
        """Return the last entry of each test, oldest first."""
        last: dict[str, dict[str, Any]] = {}
        for path in (self.archive, self.path):
            if path is not None and path.exists():
                for entry in whole(path.read_text(encoding="utf-8").splitlines()):
                    last.pop(entry["test"], None)
                    last[entry["test"]] = entry
        return list(last.values())

    def write_archive(self) -> None:
        """Write the last entry of each test into `archive`, in the order of their names."""
        assert self.archive is not None
        entries = sorted(self.entries(), key=lambda entry: str(entry["test"]))
        lines = [json.dumps(entry) + "\n" for entry in entries]
        self.archive.write_text("".join(lines), encoding="utf-8")

    def passed(self) -> set[str]:
        """Return the names of the tests that passed when they ran last."""
        return {entry["test"] for entry in self.entries() if entry["outcome"] == "passed"}

    def add(self, entry: dict[str, Any]) -> None:
        """Append an entry, on a line of its own, also if other processes append at the same time.

        The last line may lack its end, where an entry was cut off, as by a full disk.
        """
        self.path.parent.mkdir(exist_ok=True)
        with self.path.open("ab+", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            size = file.seek(0, os.SEEK_END)
            cut = size and os.pread(file.fileno(), 1, size - 1) != b"\n"
            file.write(b"\n" * bool(cut) + json.dumps(entry).encode() + b"\n")


def whole(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield the entries in the lines of a ledger, without those that were cut off."""
    for line in lines:
        try:
            yield json.loads(line)
        except ValueError:
            print(f"{LEDGER}: not an entry: {line[:60]}")


class Part:
    """A plugin of pytest for a part of a long run: leaves out tests that passed, and ends in time.

    Every process that runs tests has one.  `left` counts the tests that were not begun in time.
    """

    def __init__(self, ledger: Ledger, minutes: float | None, resume: bool) -> None:
        self.ledger = ledger
        self.resume = resume
        self.end = time.monotonic() + 60 * minutes if minutes else float("inf")
        self.left = 0

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Leave out the tests that passed in an earlier part."""
        if not self.resume:
            return
        passed = self.ledger.passed()
        done = [item for item in items if is_stress(item) and item.nodeid in passed]
        if done:
            config.hook.pytest_deselected(items=done)
            items[:] = [item for item in items if item not in done]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        """Run no further test once the time is up."""
        if is_stress(item) and time.monotonic() > self.end:
            self.left += 1
            return True
        return None

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Report the number of tests left to the process that started this one, if any."""
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["left"] = self.left


class Recorder:
    """A plugin of pytest that writes the outcomes of stress tests into the ledger.

    Of several processes, only the one that has started the others has it.
    """

    def __init__(self, ledger: Ledger, part: Part, commit: str) -> None:
        self.ledger = ledger
        self.part = part
        self.commit = commit
        self.began = time.monotonic()
        self.attaches = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write the outcome of a stress test into the ledger, and add up its attaches."""
        if "stress" in report.keywords and (report.when == "call" or report.failed):
            self.ledger.add(self.entry(report))
        if report.when == "call":
            self.attaches += int(dict(report.user_properties).get("attaches", 0))  # type: ignore[call-overload]

    def entry(self, report: pytest.TestReport) -> dict[str, Any]:
        """Return the ledger's entry for the report of a test."""
        return {
            "test": report.nodeid,
            "outcome": report.outcome,
            "seconds": round(report.duration, 1),
            "commit": self.commit,
            "figures": dict(report.user_properties),
        }

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Add the number of tests that another process has left."""
        self.part.left += getattr(node, "workeroutput", {}).get("left", 0)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the rate of attaches, and the number of tests left for the next part."""
        minutes = (time.monotonic() - self.began) / 60
        if self.attaches:
            rate = self.attaches / minutes
            said = f"{self.attaches} attaches in {minutes:.1f} minutes: {rate:.0f} a minute."
            terminalreporter.write_line(said)
        if self.part.left:
            terminalreporter.write_line(
                f"The time is up: {self.part.left} tests are left. Go on with --resume."
            )


def is_stress(item: pytest.Item) -> bool:
    """Whether a test is one of `make stress`."""
    return item.get_closest_marker("stress") is not None


def head(root: Path) -> str:
    """Return the commit that is tested, with "+" if the working tree is changed."""
    described = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    return subprocess.run(described, cwd=root, capture_output=True, text=True).stdout.strip()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options --minutes and --resume."""
    group = parser.getgroup("long runs")
    group.addoption("--minutes", type=float, help="begin no stress test after so many minutes")
    group.addoption("--resume", action="store_true", help="leave out stress tests that have passed")


def pytest_configure(config: pytest.Config) -> None:
    """Register the plugins in a run of stress tests; only the main process writes the ledger."""
    if config.getoption("markexpr") == "not stress":
        return
    ledger = Ledger(config.rootpath / LEDGER, config.rootpath / ARCHIVE)
    part = Part(ledger, config.getoption("--minutes"), config.getoption("--resume"))
    config.pluginmanager.register(part)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder(ledger, part, head(config.rootpath)))
