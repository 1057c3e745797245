"""Everything that is known to be a danger to an attach, each as a target that is in that state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from conftest import Interpreter
from running import TARGETS, Target
from states import BLOCKED, BUSY, Figures, cycle

from covattach.errors import CovattachError

MINORS = tuple((3, minor) for minor in range(9, 16))


@dataclass(frozen=True)
class Hazard:
    """A state of a target: its program and arguments, and the versions that it can be had on.

    Where an attach `may_refuse`, a refusal is as good as measuring.
    """

    name: str
    script: str = "states.py"
    arguments: tuple[str, ...] = ()
    minors: tuple[tuple[int, int], ...] = MINORS
    options: tuple[str, ...] = ()
    may_refuse: bool = False

    @property
    def versions(self) -> int:
        """On how many versions it can be had."""
        return len(self.minors)

    def is_there(self, minor: tuple[int, int]) -> bool:
        """Whether it can be had on a version."""
        return minor in self.minors

    def launch(self, launch: Callable[..., Target], interpreter: Interpreter) -> Target:
        """Start a target that is in this state."""
        arguments = self.arguments or (self.name,)
        return launch(interpreter, self.script, *arguments, options=self.options)

    def attach(self, target: Target, figures: Figures) -> None:
        """Attach, see that what runs is measured, and stop; the target must be well afterwards."""
        try:
            cycle(target, figures, timeout=60, program=TARGETS / self.script)
        except CovattachError:
            if not self.may_refuse:
                raise
        assert target.ask("1 + 1") == 2
        assert target.is_well()


HAZARDS = (
    *(Hazard(state) for state in (*BUSY, *BLOCKED)),
    *(Hazard(state) for state in ("forking", "flocked", "thousand", "vast")),
    *(Hazard(state) for state in ("spinning", "asleep")),
)
