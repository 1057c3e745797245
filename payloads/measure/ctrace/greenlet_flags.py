"""The tracing flag of a suspended greenlet, which it has in Python 3.10 and 3.11.

There the interpreter calls trace functions only if a flag on the C stack says that there is one
(`use_tracing`, Include/cpython/pystate.h).  greenlet saves the flag with each stack that it
suspends.  Unless this flag is changed, a trace function that is set meanwhile is never called in
that greenlet.  And one that is removed leaves it slower for good.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from itertools import compress, repeat
from operator import add, itemgetter
from typing import Any

from ...interpreter import atomic, capi, greenlets

SAVED_WITH_STACK = (3, 10) <= sys.version_info[:2] <= (3, 11)
SIZE = (
    40  # bytes of a PyGreenlet from greenlet 2.0 on (greenlet.h); its last word points to its state
)
WORDS = 18  # of that state, in which the flag is looked for: fewer than it has


class UnknownGreenlet(Exception):
    """The greenlet library of this process saves the flag in an unknown way."""


def find_flag() -> tuple[int, int]:
    """Return the flag's offset in a greenlet's saved state, in bytes, and its value when traced.

    The flag lies two words behind the frame (greenlet's TGreenlet.hpp, PythonState), which is
    looked for in a greenlet of our own.  Raises UnknownGreenlet.
    """
    module: Any = sys.modules["greenlet"]
    kind = greenlets.kind()
    if kind.__basicsize__ != SIZE:
        raise UnknownGreenlet(f"greenlet {module.__version__} is older than 2.0")
    own = module.getcurrent()

    def run() -> None:
        own.switch()
        sys.settrace(lambda *_: None)
        own.switch()
        sys.settrace(None)

    scratch = kind(run)
    seen = []
    for _ in range(2):
        scratch.switch()
        saved = capi.words(capi.words(id(scratch), 5)[4], WORDS)
        places = [place for place in range(WORDS - 2) if saved[place] == id(scratch.gr_frame)]
        seen += [(place, (saved[place + 2] or 0) & 0xFFFFFFFF) for place in places]
    scratch.switch()
    if len(seen) != 2 or seen[0] != (seen[1][0], 0) or seen[1][1] not in (1, 255):
        raise UnknownGreenlet(f"greenlet {module.__version__} has an unknown layout")
    return 8 * (seen[0][0] + 2), seen[1][1]


class GreenletFlags:
    """Sets the tracing flags of suspended greenlets."""

    def __init__(self) -> None:
        """Find the offset and the value of the flag; raises UnknownGreenlet."""
        self.flag: Any = capi.kind("i")
        self.at, self.value = find_flag()

    def calls(self, found: list[Any], tops: list[Any], on: bool) -> list[Callable[[], Any]]:
        """Return C functions, for `atomic.at_once`, that set the flags of suspended greenlets.

        `found` will hold greenlets when these are called, and `tops` their innermost frames, None
        for a greenlet that is not suspended.  `on` says whether they are to be traced.
        """
        suspended = compress(map(id, found), tops)
        saved = map(itemgetter(4), map(capi.words_at(5), suspended))
        flags = map(self.flag.from_address, map(partial(add, self.at), saved))
        values = repeat(self.value if on else 0)
        return [atomic.exhausting(map(setattr, flags, repeat("value"), values))]


def flags_of_greenlets(note: Any) -> GreenletFlags | None:
    """Return access to the tracing flags of greenlets; None where they are not needed or not known.

    If they are not known, `note` is called with a warning.
    """
    if not SAVED_WITH_STACK or greenlets.kind() is None:
        return None
    try:
        return GreenletFlags()
    except UnknownGreenlet as reason:
        note(f"greenlets that are suspended now are not measured: {reason}")
        return None


def look_at_all(flags: GreenletFlags | None, on: bool) -> greenlets.Look:
    """Return a look at all frames, which also turns tracing of suspended greenlets `on` or off.

    It does so if `flags` are given, and when its `calls` are made.
    """
    return greenlets.Look(None if flags is None else partial(flags.calls, on=on))
