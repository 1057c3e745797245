"""Weak references to code objects, with something to do at the end of each."""

from __future__ import annotations

from operator import methodcaller
from typing import Any
from weakref import ref

FORGET = methodcaller("forget")


class Reference(ref):  # type: ignore[type-arg]
    """A weak reference to a code object, which has something to do at the end of it.

    It is done by C functions all the way down: the end of a code object can come anywhere in the
    application, and what its signal handlers raise while bytecode runs there would be lost.
    """

    __slots__ = ("forget",)
    forget: Any
