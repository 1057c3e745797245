"""Work during which no other thread of the interpreter runs.

CPython hands the GIL over between two bytecodes, or where C code blocks; never inside a C function
that calls other C functions.  So what must not be interrupted is put together from partial
objects and iterators, and then driven by one call that executes no bytecode.
"""

from __future__ import annotations

import _queue
import gc
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from operator import methodcaller
from typing import Any

CALL = methodcaller("__call__")
FAILS_AT_TWO = (3, 10) <= sys.version_info[:2] <= (3, 11)
PATIENCE = 0.2  # seconds for another thread to have set its trace function
SETTING = _queue.SimpleQueue[None]()  # what has one item is a lock that gevent does not replace
SETTING.put(None)


def exhausting(items: Iterable[Any]) -> Callable[[], Any]:
    """Return a C function that drives an iterator to its end."""
    return partial(deque, items, 0)


def at_once(*calls: Callable[[], Any]) -> None:
    """Call each in turn; no other thread runs meanwhile if they are C functions all the way down.

    The garbage collector is held: what they allocate could start it, and it runs somebody's
    `__del__`.
    """
    collecting = gc.isenabled()
    held: tuple[Callable[[], Any], ...] = (gc.disable, *calls, gc.enable) if collecting else calls
    try:
        deque(map(CALL, held), 0)
    except BaseException:
        if collecting:
            gc.enable()
        raise


def audited() -> bool:
    """Tell whether audit hooks are set: a hook in Python is bytecode, wherever it is called.

    `sys.audit` looks at its arguments only where there is a hook (Python/sysmodule.c).
    """
    try:
        sys.audit(None)  # type: ignore[arg-type]
    except TypeError:
        return True
    return False


@contextmanager
def one_setter() -> Iterator[None]:
    """Have no two threads of ours set a trace function at a time, where a second one would fail.

    On 3.10 and 3.11 it raises RuntimeError while an audit hook in Python runs in the first one
    (Python/ceval.c, _PyEval_SetTrace); and with a trace function for new threads each sets one.
    """
    if not (FAILS_AT_TWO and audited()):
        yield
        return
    try:
        SETTING.get(timeout=PATIENCE)
    except _queue.Empty:
        yield  # a fork, or a handler of this very thread, has left it: then by good luck
        return
    try:
        yield
    finally:
        SETTING.put(None)


@contextmanager
def kept(seconds: float = 0.02) -> Iterator[None]:
    """Keep the GIL for about half of `seconds`, in bytecode too, if the body does not block.

    The second best way, for where bytecode cannot be avoided: it goes by the clock.  A thread is
    handed the GIL when it has waited for a whole switch interval (Python/ceval_gil.c, take_gil).
    So: make that longer, and outlast those that still wait by the old one.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(seconds)
    try:
        outlast = time.monotonic() + 1.5 * before
        while time.monotonic() < outlast:
            continue
        yield
    finally:
        sys.setswitchinterval(before)
