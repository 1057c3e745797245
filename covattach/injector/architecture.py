"""The architecture whose programs gdb is used on: the one place that chooses its package.

A package such as `x86_64` offers two modules:

    support    MACHINE, REGISTERS, PROGRAM_COUNTER, THREAD_BLOCK, is_supported(), check()
    detour     find() -> Detour, still_inside(), and the states and results of a detour
"""

from __future__ import annotations

from covattach.injector.x86_64 import detour, support
from covattach.injector.x86_64.detour import Detour

__all__ = ["Detour", "detour", "support"]
