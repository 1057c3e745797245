"""Cycles of start and stop on a target that is in one of the states of tests/targets/states.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from covattach.attach import attach_process
from support.targets import TARGETS, Target

PROGRAM = TARGETS / "states.py"
BUSY = ("allocating", "collecting", "importing", "copying", "crowded", "churning")
WAITS = (
    "lock",
    "event",
    "sleep",
    "accept",
    "selecting",
    "polling",
    "epoll",
    "reading",
    "waiting",
    "join",
    "queued",
    "receiving",
)
BLOCKED = tuple(wait + kind for wait in WAITS for kind in ("", "-beside"))


def line_of(mark: str, program: Path = PROGRAM) -> int:
    """Return the number of the only line in `program` that ends in the comment `mark`."""
    numbered = enumerate(program.read_text().splitlines(), 1)
    (found,) = [number for number, line in numbered if line.endswith(f"# {mark}")]
    return found


@dataclass
class Figures:
    """Milliseconds for each cycle: for which the target was stopped, and until it was measured."""

    pauses: list[float] = field(default_factory=list)
    attaches: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{len(self.pauses)} cycles; stopped for {median(self.pauses):.0f} ms"
            f" (at most {max(self.pauses):.0f}), measuring after {median(self.attaches):.0f} ms"
            f" (at most {max(self.attaches):.0f})"
        )


def call_later(target: Target) -> None:
    """Have the target call `later`, a new line that must then be in the snapshot."""
    target.ask("later()")


def cycle(target: Target, figures: Figures, timeout: float = 30.0) -> None:
    """Attach to a target of states.py, check that a new line is measured, and stop."""
    attach_and_leave(target, figures, timeout, PROGRAM)
    assert target.is_well()


def attach_and_leave(
    target: Target,
    figures: Figures,
    timeout: float,
    program: Path,
    meanwhile: Callable[[Target], None] = call_later,
) -> None:
    """Attach, call `meanwhile`, and stop; check that the function `later` of `program` was seen.

    Adds to `figures`.  `timeout` is in seconds.  Raises covattach's own errors.
    """
    found, facts = attach_process.start(target.pid, attach_process.Options(timeout=timeout), print)
    try:
        meanwhile(target)
        snapshot = found.snapshot().snapshot
    finally:
        found.stop()
    figures.pauses.append(facts["pause_ms"])
    figures.attaches.append(facts["attach_ms"])
    assert line_of("later", program) in snapshot.files[str(program)], "what ran is not there"
