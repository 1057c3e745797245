"""Trace and profile functions set in all threads; below Python 3.12 this needs native calls."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import accumulate, chain, compress, repeat, takewhile
from operator import itemgetter
from types import FrameType
from typing import Any

from ..errors import CannotAdopt
from . import atomic, capi, frames

WORDS = 24  # of a PyThreadState, in which the function is looked for: fewer than it has
NATIVE = {"trace": "_PyEval_SetTrace", "profile": "_PyEval_SetProfile"}


class AllThreads:
    """The trace functions, or the profile functions, of all threads but the calling one.

    Below 3.12 the thread states are walked over.  A thread that ends takes its state with it, and
    may do so between any two bytecodes.  So the whole walk is one call of C, see `atomic.at_once`.
    """

    def __init__(self, kind: str = "trace") -> None:
        """Find the interpreter's functions that are needed; raises CannotAdopt.

        `kind` is "trace" or "profile", for the functions of `sys.settrace` or `sys.setprofile`.
        """
        self.kind = kind
        self.set_own: Any = getattr(sys, f"set{kind}")
        self.get_own: Any = getattr(sys, f"get{kind}")
        self.set_all: Any = getattr(sys, f"_set{kind}allthreads", None)
        if self.set_all is None:
            self.declare()
            self.trampoline = self.find_trampoline()

    def declare(self) -> None:
        """Find the interpreter's C functions, and declare their types; raises CannotAdopt."""
        try:
            self.own: Any = capi.function("PyThreadState_Get", "P")
            interpreter = capi.function("PyInterpreterState_Get", "P")
            head = capi.function("PyInterpreterState_ThreadHead", "P", "P")
            # The second argument is not the function's: `accumulate` gives one, and C ignores it.
            self.after: Any = capi.function("PyThreadState_Next", "P", "PP")
            self.set_in: Any = capi.function(NATIVE[self.kind], "i", "PPO")
            self.remove_from: Any = capi.function(NATIVE[self.kind], "i", "PPP")
        except capi.NoNativeCalls as error:
            raise CannotAdopt(str(error)) from error
        self.head: Any = partial(head, interpreter())
        self.words: Any = capi.words(self.own(), WORDS)

    def find_trampoline(self) -> int:
        """Return the address of the C function by which CPython calls a Python trace function.

        With it a thread gets just what `sys.settrace` would have given it.  As it is private to
        Python/sysmodule.c, a trace function is set in this thread, and looked for in the thread
        state.  There `c_tracefunc` lies two words before `c_traceobj` (Include/cpython/pystate.h,
        3.9 to 3.11).  Also notes the places of `c_traceobj` and of the thread's identifier.  Raises
        CannotAdopt.
        """

        def marker(frame: FrameType, event: str, arg: object) -> None:
            return None

        before = self.get_own()
        self.set_own(marker)
        try:
            places = (place for place in range(4, WORDS) if self.words[place] == id(marker))
            found = next(places, None)
            address = int(self.words[found - 2]) if found else 0
        finally:
            self.set_own(before)
        if not found or not address or self.words[found] == id(marker):
            raise CannotAdopt("the thread state of this interpreter has an unknown layout")
        self.place = found
        own = frames.own_ident()
        idents = (place for place in range(found + 1, WORDS) if self.words[place] == own)
        self.ident_place = next(idents, 0)
        if not self.ident_place:
            raise CannotAdopt("the thread state of this interpreter has an unknown layout")
        return address

    @property
    def can_read(self) -> bool:
        """Whether the trace or profile functions of other threads can be read: below 3.12."""
        return self.set_all is None

    def set(self, function: Any, *also: Callable[[], Any]) -> None:
        """Set `function`, or None, in all other threads, and None in the calling one.

        The C functions `also` are called before any other thread runs.
        """
        if self.set_all is not None:
            self.do(partial(self.set_all, function), partial(self.set_own, None), *also)
        elif function is None:
            self.do(self.remover(self.others()), *also)
        else:
            self.do(self.setter(self.others(), function), *also)
        if self.set_all is None:
            self.set_own(None)

    def others(self) -> Iterator[int]:
        """Return the addresses of other threads' states; only for a walk at once, below 3.12."""
        # A state is passed before the one after it is asked for: nothing is looked at twice.
        first = map(atomic.CALL, (self.head,))  # like all the others, asked for when it is needed
        states = takewhile(bool, accumulate(chain(first, repeat(None)), self.after))
        return filter(self.own().__ne__, states)

    def setter(self, states: Iterator[int], function: Any) -> Any:
        """Return a C function that sets `function` in the threads with these states."""
        functions = repeat(self.trampoline), repeat(function)
        return atomic.exhausting(map(self.set_in, states, *functions))

    def remover(self, states: Iterator[int]) -> Any:
        """Return a C function that removes the functions of the threads with these states."""
        return atomic.exhausting(map(self.remove_from, states, repeat(None), repeat(None)))

    def addresses(self) -> Iterator[int | None]:
        """Return the addresses of the other threads' functions, None for a thread without one."""
        at = type(self.words).from_address
        return map(itemgetter(self.place), map(at, self.others()))

    def is_profiled(self) -> bool:
        """Tell whether another thread has a profile function; below 3.12, and for "trace" only."""
        functions: list[int | None] = []
        states = map(type(self.words).from_address, self.others())
        # `c_profilefunc` lies three words before `c_traceobj`.
        self.do(partial(functions.extend, map(itemgetter(self.place - 3), states)))
        return any(functions)

    def set_where_none(self, function: Any, free: Iterable[Any] = (), *also: Any) -> None:
        """Set `function` in each thread with none, or one of `free`; `also` as in `set`."""
        is_free = {None, *map(id, free)}.__contains__
        states = compress(self.others(), map(is_free, self.addresses()))
        self.do(self.setter(states, function), *also)

    def remove_where(self, functions: Iterable[Any], *also: Any) -> None:
        """Remove these functions from the threads that have them; `also` as in `set`."""
        is_one = set(map(id, functions)).__contains__
        states = compress(self.others(), map(is_one, self.addresses()))
        self.do(self.remover(states), *also)

    def functions(self) -> dict[int, Any]:
        """Return the function of each other thread, or None, by the thread's identifier.

        Below 3.12 only.
        """
        pairs: list[tuple[int, int | None]] = []
        found: list[Any] = []
        states = map(type(self.words).from_address, self.others())
        self.do(
            partial(pairs.extend, map(itemgetter(self.ident_place, self.place), states)),
            partial(found.extend, map(capi.object_at, filter(None, map(itemgetter(1), pairs)))),
        )
        each = iter(found)
        return {ident: next(each) if address else None for ident, address in pairs}

    def functions_in_use(self) -> list[Any]:
        """Return the functions of the other threads that have one."""
        return [one for one in self.functions().values() if one is not None]

    def do(self, *calls: Any) -> None:
        """Call each of the C functions `calls` in turn, while no other thread runs.

        Where audit hooks are set, this is likely only, see `atomic.kept`.
        """
        if atomic.audited():
            # Setting a trace or profile function calls the audit hooks.
            with atomic.one_setter(), atomic.kept():
                atomic.at_once(*calls)
        else:
            atomic.at_once(*calls)
