"""Our coverage is apart from those of the application, which may begin and end in any order.

coverage keeps a stack of all that measure: one that begins has the one before pause, and expects to
be the last when it stops.  Ours is on stacks of its own, so that to the application there is none.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from ..coverage_import.coverage_package import is_ours


def have_own_stacks(cov: Any) -> None:
    """Have a Coverage object, and its collector, which have not started, be on no common stack."""
    cov._instances = []
    cov._collector._collectors = []


class Uses:
    """Tells whether the application has come to use the coverage that we have brought in.

    It has if somebody but coverage refers more often than before to a module or class of it.
    """

    def __init__(self, package: ModuleType) -> None:
        self.package = package
        self.before = self.counted()

    def counted(self) -> dict[int, int]:
        """Return how often each is referred to by others, by its identity."""
        modules = [module for name, module in list(sys.modules.items()) if is_ours(name)]
        names = [name for module in modules for name in list(vars(module).values())]
        own = Counter(map(id, names))
        classes = [one for one in vars(self.package).values() if isinstance(one, type)]
        return {id(one): sys.getrefcount(one) - own[id(one)] for one in (*modules, *classes)}

    @contextmanager
    def of_ours(self) -> Iterator[None]:
        """Count nothing that begins in the body as the application's: a report made for us."""
        then = self.counted()
        try:
            yield
        finally:
            for one, count in self.counted().items():
                known = then.get(one, 0)
                self.before[one] = self.before.get(one, known) + max(count - known, 0)

    def has_grown(self) -> bool:
        """Tell whether any of the modules and classes has more references than before."""
        now = self.counted()
        return any(now.get(one, 0) > count for one, count in self.before.items())
