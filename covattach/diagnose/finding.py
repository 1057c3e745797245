"""A finding: the result of one check, and the remedy if it failed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from covattach.errors import CovattachError, NotPossible
from covattach.untrusted import printable


@dataclass(frozen=True)
class Finding:
    """One row of `doctor`: the precondition, the result as text, and the error if it is not met."""

    check: str
    found: str
    obstacle: CovattachError | None = None

    @property
    def facts(self) -> dict[str, object]:
        """The finding as a dict for `--json`."""
        return {
            "check": self.check,
            "ok": self.obstacle is None,
            "found": self.found,
            "remedy": self.obstacle.remedy if self.obstacle else None,
            "exit_code": self.obstacle.exit_code if self.obstacle else 0,
        }


def tried(check: str, what: Callable[[], str]) -> Finding:
    """Run the check `what`, and return its result as a finding named `check`.

    `what` returns a text, or raises CovattachError or OSError.
    """
    try:
        return Finding(check, printable(what()))
    except CovattachError as error:
        return Finding(check, printable(error.message), error)
    except OSError as error:
        failed = NotPossible(f"It could not be found out ({error}).", "Try again.")
        return Finding(check, failed.message, failed)
