"""A core of coverage's, as a measurement sees it.

A further one is a package beside `ctrace` and `sysmon` with a class like theirs, which is derived
from `Core`; a line in `registry`; and one in `core_choice`, which says what it can measure.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar


class Core:
    """Adoption by one core, for one collector whose core it is.

    Coverage measures code that is entered from now on; adoption has it measure the code that runs
    already.  `guard` stands between coverage and the application's threads.
    """

    name = ""  # the user's, and coverage's
    tracers: ClassVar[
        dict[str, str]
    ] = {}  # coverage's classes that are this core; the users' names
    stops_first = False  # before coverage itself stops, or afterwards
    tool: int | None = None  # the tool id of sys.monitoring that it has

    @classmethod
    def refuse_conflicts(cls) -> None:
        """Raise Refused where somebody else is there, whom this core would put out."""
        raise NotImplementedError

    @classmethod
    def prepare(cls, branch: bool) -> None:
        """Import all that coverage would import later; raises NoCoverage if it lacks the core."""

    @classmethod
    def concurrency(cls) -> list[str]:
        """Return by which libraries coverage is to tell stacks apart."""
        return ["thread"]

    @classmethod
    @contextmanager
    def beginning(cls, cov: Any) -> Iterator[None]:
        """Have coverage begin, in the body, in a way that is safe for the target."""
        yield

    @classmethod
    def undo_failed_start(cls) -> None:
        """Take back all that coverage has left of a start that has failed half-way."""

    def __init__(self, collector: Any, guard: Any) -> None:
        self.collector = collector

    def start(self, ident: int) -> None:
        """Adopt all running threads but `ident`, the caller's; with 0, there is none to adopt.

        Raises CannotAdopt; then only threads that start later are measured.
        """
        raise NotImplementedError

    def rearm(self, taken: dict[str, Any]) -> None:
        """Have every line reported once more, now that `taken` is out of coverage's sets.

        There is nothing to do where lines are reported each time.
        """

    def tend(self) -> None:
        """Take back threads that other tools are done with; for the agent's thread only."""

    def warnings(self) -> list[str]:
        """Return the warnings about tools that have taken the place of this core."""
        return []

    def calibrate(self, work: Any, plain: float) -> tuple[float, float]:
        """Return how many times as long Python takes, and the seconds that one report takes.

        `plain` are the seconds that `work()` takes when it is not measured.
        """
        raise NotImplementedError

    def watch_calls(self, log: Any) -> None:
        """Have `log`, see first_calls.py, note each function that is entered from now on."""
        raise NotImplementedError

    def unwatch_calls(self) -> None:
        """Have nothing noted any more; not to be called once measuring has stopped."""
        raise NotImplementedError

    def stop(self) -> None:
        """Take back all that `start` has done, in every thread."""
        raise NotImplementedError

    def discard(self) -> None:
        """Drop the references that lead back to this object, once no thread is in its functions."""
