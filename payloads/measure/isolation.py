"""Isolation of our Coverage object from the application's, which start and stop as they like.

coverage keeps a stack of all Coverage objects that measure.  One that starts pauses the one before,
and expects to be the last when it stops.  Ours is on stacks of its own, where the application's
coverage does not find it.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from ..coverage_import.coverage_package import is_of_coverage


def have_own_stacks(cov: Any) -> None:
    """Put a Coverage object, and its collector, that have not started on stacks of their own."""
    cov._instances = []
    cov._collector._collectors = []


class Uses:
    """Detects whether the application has come to use the coverage package that we have imported.

    It has if there are more references than before to a module of coverage's, or a class of
    `package`, from outside coverage.
    """

    def __init__(self, package: ModuleType) -> None:
        self.package = package
        self.before = self.references()

    def references(self) -> dict[int, int]:
        """Return the references to each module and class from outside coverage, by `id`."""
        modules = [module for name, module in list(sys.modules.items()) if is_of_coverage(name)]
        names = [name for module in modules for name in list(vars(module).values())]
        own = Counter(map(id, names))
        classes = [one for one in vars(self.package).values() if isinstance(one, type)]
        return {id(one): sys.getrefcount(one) - own[id(one)] for one in (*modules, *classes)}

    @contextmanager
    def excluded(self) -> Iterator[None]:
        """Exclude references made in the `with` body, by a report of ours, from the count."""
        then = self.references()
        try:
            yield
        finally:
            for one, count in self.references().items():
                known = then.get(one, 0)
                self.before[one] = self.before.get(one, known) + max(count - known, 0)

    def has_grown(self) -> bool:
        """Tell whether any of the modules and classes has more references than before."""
        now = self.references()
        return any(now.get(one, 0) > count for one, count in self.before.items())
