"""Subinterpreters with a GIL, and an allocator, of their own: their frames must not be looked at.

`sys._current_frames` of 3.12 and 3.13.0 does so.  It makes frame objects for the code there, which
the wrong allocator frees: the process is aborted (Python/pystate.c, _PyThread_CurrentFrames).
"""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import Any


@lru_cache(None)
def lister() -> Any:
    """Return the C module that lists interpreters, or None; it is not left in `sys.modules`."""
    name = "_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters"
    was_there = name in sys.modules
    try:
        found = __import__(name)
    except ImportError:
        return None
    if not was_there:
        sys.modules.pop(name, None)
    return found


def are_there() -> bool:
    """Tell whether there may be subinterpreters with their own GIL; only on 3.12 and 3.13."""
    if not (3, 12) <= sys.version_info[:2] <= (3, 13) or lister() is None:
        return False
    others = list(lister().list_all())[1:]
    if not hasattr(lister(), "get_config"):  # 3.12: nothing tells which have their own
        return bool(others)
    idents = [one[0] if isinstance(one, tuple) else one for one in others]
    return any(lister().get_config(ident).gil == "own" for ident in idents)
