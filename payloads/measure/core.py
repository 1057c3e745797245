"""The interface of coverage's cores for a measurement: their base class, `Core`.

To add a core, make a package beside `ctrace` and `sysmon`, with a class derived from `Core`.  Enter
it in `registry`, and in `core_choice`, which says from which Python it can measure.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar


class Core:
    """The adoption of running code by one core of coverage's, for one collector that uses it.

    Coverage measures code that is entered from now on; adoption has it measure the code that runs
    already.  `collector` is coverage's, and `guard` catches coverage's faults in the application's
    threads.
    """

    name = ""  # as in --core, and in coverage's option run:core
    tracers: ClassVar[
        dict[str, str]
    ] = {}  # coverage's classes for this core, and the name that users see for each
    stops_first = False  # whether `stop` is called before coverage itself stops, or afterwards
    tool: int | None = None  # the tool id of sys.monitoring that the core uses

    @classmethod
    def refuse_conflicts(cls) -> None:
        """Raise Refused if other tools in the process leave no place for this core."""
        raise NotImplementedError

    @classmethod
    def prepare(cls, branch: bool) -> None:
        """Import modules that coverage would import later; raises NoCoverage if it lacks the core.

        `branch` says whether branches are to be measured.
        """

    @classmethod
    def concurrency(cls) -> list[str]:
        """Return the value of coverage's option run:concurrency, by which it tells stacks apart."""
        return ["thread"]

    @classmethod
    @contextmanager
    def beginning(cls, cov: Any) -> Iterator[None]:
        """Return a context manager, in whose body `cov` is started safely for the target."""
        yield

    @classmethod
    def undo_failed_start(cls) -> None:
        """Clean up after a start of coverage that has failed half-way."""

    def __init__(self, collector: Any, guard: Any) -> None:
        self.collector = collector

    def start(self, ident: int) -> None:
        """Adopt all running threads except the caller's, whose identifier is `ident`.

        With `ident` 0 nothing is adopted: coverage was started in the only thread.  Raises
        CannotAdopt; then only threads that start later are measured.
        """
        raise NotImplementedError

    def rearm(self, taken: dict[str, Any]) -> None:
        """Have every line reported again, after the data `taken` was removed from coverage's sets.

        `taken` are the lines or arcs, by file.  A core that reports each execution of a line does
        nothing.
        """

    def maintain(self) -> None:
        """Re-adopt threads that other tools have traced and left; for the agent's thread only."""

    def warnings(self) -> list[str]:
        """Return warnings, as texts, about other tools that have displaced this core."""
        return []

    def calibrate(self, work: Any, plain: float) -> tuple[float, float]:
        """Return the factor by which this core slows Python down, and the seconds of a report.

        `work` is a function without arguments to be timed; without measuring it takes `plain`
        seconds of CPU time.
        """
        raise NotImplementedError

    def watch_calls(self, log: Any) -> None:
        """Have `log`, a `FirstCalls`, note each function that is entered from now on."""
        raise NotImplementedError

    def unwatch_calls(self) -> None:
        """Have no more functions noted; not to be called once measuring has stopped."""
        raise NotImplementedError

    def stop(self) -> None:
        """Undo everything that `start` has done, in every thread."""
        raise NotImplementedError

    def discard(self) -> None:
        """Drop references that form cycles with this object, once no thread is in its methods."""
