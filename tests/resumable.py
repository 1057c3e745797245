"""Long runs in parts: `make stress` can end after some minutes, and go on where it was.

    make stress ARGS="--minutes 45"            at most so long; the test that is running is finished
    make stress ARGS="--minutes 45 --resume"   go on: leave out the tests that have passed already

The outcome of each stress test, and the figures that it records by `record_property`, are added to
a ledger in the checkout, a line of JSON each.  The last entry of a test counts.  The tables in
docs/ are made from it (tools/stress_tables.py).
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

LEDGER = Path(".stress") / "ledger.jsonl"


class Ledger:
    """The outcomes of stress tests, in the file `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def entries(self) -> list[dict[str, Any]]:
        """Return the last entry of each test, oldest first."""
        if not self.path.exists():
            return []
        lines = self.path.read_text(encoding="utf-8").splitlines()
        last: dict[str, dict[str, Any]] = {}
        for entry in map(json.loads, lines):
            last.pop(entry["test"], None)
            last[entry["test"]] = entry
        return list(last.values())

    def passed(self) -> set[str]:
        """Return the names of the tests that passed when they ran last."""
        return {entry["test"] for entry in self.entries() if entry["outcome"] == "passed"}

    def add(self, entry: dict[str, Any]) -> None:
        """Append an entry, whole: a run that is killed leaves no half of a line that is read."""
        self.path.parent.mkdir(exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")


class Part:
    """One part of a long run: which tests are left, when it ends, and what came of them."""

    def __init__(self, ledger: Ledger, minutes: float | None, resume: bool, commit: str) -> None:
        self.ledger = ledger
        self.resume = resume
        self.commit = commit
        self.end = time.monotonic() + 60 * minutes if minutes else float("inf")
        self.skipped = 0

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Leave out what has passed in an earlier part."""
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
            self.skipped += 1
            return True
        return None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Iterator[None]:
        """Note what came of a stress test."""
        report: pytest.TestReport = yield  # type: ignore[misc, assignment]
        if is_stress(item) and (call.when == "call" or report.failed):
            self.ledger.add(self.entry(report))
        return report  # type: ignore[return-value]

    def entry(self, report: pytest.TestReport) -> dict[str, Any]:
        """Return what the ledger keeps of a test."""
        return {
            "test": report.nodeid,
            "outcome": report.outcome,
            "seconds": round(report.duration, 1),
            "commit": self.commit,
            "figures": dict(report.user_properties),
        }

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say what is left for the next part."""
        if self.skipped:
            terminalreporter.write_line(
                f"The time is up: {self.skipped} tests are left. Go on with --resume."
            )


def is_stress(item: pytest.Item) -> bool:
    """Whether a test is one of `make stress`."""
    return item.get_closest_marker("stress") is not None


def head(root: Path) -> str:
    """Return the commit that is tested, with a plus where the tree is changed."""
    described = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    return subprocess.run(described, cwd=root, capture_output=True, text=True).stdout.strip()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    group = parser.getgroup("long runs")
    group.addoption("--minutes", type=float, help="begin no stress test after so many minutes")
    group.addoption("--resume", action="store_true", help="leave out stress tests that have passed")


def pytest_configure(config: pytest.Config) -> None:
    """Keep the ledger, in a run that is not spread over several processes."""
    if hasattr(config, "workerinput") or config.getoption("markexpr") == "not stress":
        return
    ledger = Ledger(config.rootpath / LEDGER)
    minutes, resume = config.getoption("--minutes"), config.getoption("--resume")
    config.pluginmanager.register(Part(ledger, minutes, resume, head(config.rootpath)))
