"""Looking through the heap holds nothing of it afterwards."""

from __future__ import annotations

import gc
import sys

from covattach.payloads.interpreter import gc_objects


class Wanted:
    """A class whose objects are looked for."""


def test_nothing_else_is_held() -> None:
    """Once all has been called, a tuple is nobody's but its owner's again: C code may change it."""
    # GIVEN an object of the class, a tuple that the collector tracks, and the calls
    wanted, bystander = Wanted(), ([],)
    assert gc.is_tracked(bystander)
    before = sys.getrefcount(bystander)
    found: list[object] = []
    calls = gc_objects.instances([Wanted], found)

    # WHEN they are made, and still there
    for call in calls:
        call()

    # THEN the object is found, and the tuple has no reference more
    assert found == [wanted]
    assert sys.getrefcount(bystander) == before
