"""Find all objects of a class, which only the garbage collector lists."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable
from functools import partial
from itertools import chain, compress
from typing import Any

from . import atomic


def instances(kinds: Iterable[type], found: list[Any]) -> list[Callable[[], Any]]:
    """Return C functions that together add all objects of exactly the classes `kinds` to `found`.

    They are for `atomic.at_once`, and take 40 to 60 ms for a million objects.  The list of all
    objects must be gone before another thread runs.  Before 3.14 a tuple that is being made, as by
    `tuple()` of a generator, raises SystemError in the application if anybody else refers to it
    (_PyTuple_Resize, Objects/tupleobject.c).
    """
    everything: list[list[Any]] = []
    types = map(type, chain.from_iterable(everything))
    # By their addresses: `hash` of a class can be somebody's own, if that has a metaclass.
    wanted = map(frozenset(map(id, kinds)).__contains__, map(id, types))
    chosen = compress(chain.from_iterable(everything), wanted)
    return [
        atomic.exhausting(map(everything.append, map(atomic.CALL, (gc.get_objects,)))),
        partial(found.extend, chosen),
        atomic.exhausting(wanted),  # `compress` leaves it one step before its end, with the list
        everything.clear,
    ]
