"""Weak references to code objects, with a C function that is called at the end of each."""

from __future__ import annotations

from operator import methodcaller
from typing import Any
from weakref import ref

DISCARD = methodcaller("discard")


class Reference(ref):  # type: ignore[type-arg]
    """A weak reference to a code object, whose attribute `discard` is called when that is freed.

    `discard` must be a C function all the way down.  A code object can be freed anywhere in the
    application, and an exception of its signal handlers, while bytecode runs there, would be lost.
    """

    __slots__ = ("discard",)
    discard: Any
