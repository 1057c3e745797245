"""Calls in sequence, during which no other thread of the interpreter runs.

CPython hands the GIL over between two bytecodes, or where C code blocks; never inside a C function
that calls other C functions.  So the calls that must not be interrupted are put together from
partial objects and iterators.  Then one call that executes no bytecode drives them.
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
FAILS_AT_TWO = (3, 10) <= sys.version_info[:2] <= (3, 11)  # see `one_setter`
PATIENCE = 0.2  # seconds for another thread to have set its trace function
SETTING = _queue.SimpleQueue[None]()  # with one item, a lock that gevent does not replace
SETTING.put(None)


def exhausting(items: Iterable[Any]) -> Callable[[], Any]:
    """Return a C function without arguments that drives the iterator `items` to its end."""
    return partial(deque, items, 0)


def at_once(*calls: Callable[[], Any]) -> None:
    """Call each of `calls` in turn; no other thread runs meanwhile if they execute no bytecode.

    The garbage collector is off meanwhile: their allocations could start it, and it runs `__del__`
    methods of the application's.
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
    """Let only one of our threads at a time set a trace function, where a second one would fail.

    On 3.10 and 3.11 `sys.settrace` raises RuntimeError while an audit hook in Python runs in
    another thread that sets one (Python/ceval.c, _PyEval_SetTrace).  All new threads set one where
    `threading` has a trace function for them.
    """
    if not (FAILS_AT_TWO and audited()):
        yield
        return
    try:
        SETTING.get(timeout=PATIENCE)
    except _queue.Empty:
        yield  # lost in a fork, or held below this signal handler: go on without
        return
    try:
        yield
    finally:
        SETTING.put(None)


@contextmanager
def kept(seconds: float = 0.02) -> Iterator[None]:
    """Keep the GIL for about half of `seconds`, in bytecode too, if the `with` body does not block.

    This is the second best way, for where bytecode cannot be avoided: it relies on time.  A thread
    is handed the GIL when it has waited for a whole switch interval (Python/ceval_gil.c, take_gil).
    So the interval is made longer, and threads that still wait by the old one are waited out.
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
