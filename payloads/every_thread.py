"""Set a trace function in every thread; below Python 3.12 only native calls can."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import accumulate, chain, repeat, takewhile
from operator import itemgetter
from types import FrameType
from typing import Any

from . import gil, native

WORDS = 24  # of a PyThreadState, in which `c_traceobj` is looked for: fewer than it has


class CannotAdopt(Exception):
    """Threads that already run cannot be given a trace function in this interpreter."""


class EveryThread:
    """All threads of this interpreter but the calling one, as far as tracing goes.

    Below 3.12 their states are walked over.  A thread that ends takes its state with it, and may
    do so between any two bytecodes; so the whole walk is one call of C, see `gil.at_once`.
    """

    def __init__(self) -> None:
        """Find what is needed; raises CannotAdopt."""
        self.settrace: Any = getattr(sys, "_settraceallthreads", None)
        if self.settrace is None:
            self.declare()
            self.trampoline = self.find_trampoline()

    def declare(self) -> None:
        """Say what the functions of the interpreter take and return."""
        try:
            own = native.function("PyThreadState_Get", "P")
            interpreter = native.function("PyInterpreterState_Get", "P")
            head = native.function("PyInterpreterState_ThreadHead", "P", "P")
            # The second argument is not the function's: `accumulate` gives one, and C ignores it.
            self.after: Any = native.function("PyThreadState_Next", "P", "PP")
            self.give: Any = native.function("_PyEval_SetTrace", "i", "PPO")
            self.take: Any = native.function("_PyEval_SetTrace", "i", "PPP")
        except native.NoNativeCalls as error:
            raise CannotAdopt(str(error)) from error
        self.own = own()
        self.head: Any = partial(head, interpreter())
        self.words: Any = native.words(self.own, WORDS)

    def find_trampoline(self) -> int:
        """Return the address of the C function by which CPython calls a Python trace function.

        With it a thread gets just what `sys.settrace` would have given it.  It is a private
        function of Python/sysmodule.c: set a trace function in this thread, and look where in
        the thread state it shows; `c_tracefunc` lies two words before `c_traceobj`
        (Include/cpython/pystate.h, 3.9 to 3.11).
        """

        def marker(frame: FrameType, event: str, arg: object) -> None:
            return None

        before = sys.gettrace()
        sys.settrace(marker)
        try:
            places = (place for place in range(4, WORDS) if self.words[place] == id(marker))
            found = next(places, None)
            address = int(self.words[found - 2]) if found else 0
        finally:
            sys.settrace(before)
        if not found or not address or self.words[found] == id(marker):
            raise CannotAdopt("the thread state of this interpreter has an unknown layout")
        self.profiler = found - 3  # `c_profilefunc`, which comes first
        return address

    def set(self, function: Any, *also: Callable[[], Any]) -> None:
        """Make `function` (or None) the trace function of all threads; this one has none after.

        The C functions `also` are called before any other thread runs.
        """
        if gil.audited():
            # Setting a trace function is an event that is audited.
            with gil.kept():
                self.set_at_once(function, *also)
        else:
            self.set_at_once(function, *also)

    def set_at_once(self, function: Any, *also: Callable[[], Any]) -> None:
        """Do the work of `set`."""
        if self.settrace is not None:
            gil.at_once(partial(self.settrace, function), partial(sys.settrace, None), *also)
            return
        others = self.others()
        if function is None:
            walk = map(self.take, others, repeat(None), repeat(None))
        else:
            walk = map(self.give, others, repeat(self.trampoline), repeat(function))
        gil.at_once(gil.exhausting(walk), *also)
        sys.settrace(None)

    def others(self) -> Iterator[int]:
        """Return the addresses of the states of all other threads, from C; below 3.12."""
        # A state is passed before the one after it is asked for: nothing is looked at twice.
        first = map(gil.CALL, (self.head,))  # like all the others, asked for when it is needed
        states = takewhile(bool, accumulate(chain(first, repeat(None)), self.after))
        return filter(self.own.__ne__, states)

    def is_profiled(self) -> bool:
        """Tell whether another thread has a profile function; below 3.12."""
        functions: list[int | None] = []
        states = map(native.words_at(WORDS), self.others())
        gil.at_once(partial(functions.extend, map(itemgetter(self.profiler), states)))
        return any(functions)
