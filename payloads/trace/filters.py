"""Filters of a trace: the functions and threads that it shows, with their numbers and names.

They are used in the application's threads, at each event.  So they do no I/O, and remember the
facts about a code object by its address.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable
from functools import partial
from itertools import count
from types import CodeType
from typing import Any

from ..interpreter.weak_code import DISCARD, Reference
from . import safe_repr

LONGEST_NAME = 200  # characters
LONGEST_FILE = 4096  # PATH_MAX of Linux
NEEDS_BYTECODE = sys.version_info < (3, 12)  # see `profiler_hook`
Matcher = Callable[[str], Any]


class Function:
    """The facts about one code object; `number` is 0 if the trace does not show it."""

    __slots__ = ("bytecode", "number", "parameters", "reference")

    def __init__(self, number: int, code: CodeType) -> None:
        self.number = number
        self.reference: Any = None
        self.parameters = safe_repr.parameters(code) if number else []
        self.bytecode = code.co_code if NEEDS_BYTECODE and number else b""


def matcher(patterns: list[str]) -> Matcher | None:
    """Return a function that tells whether a text begins with a match of a regular expression.

    `patterns` are the regular expressions, of which one has to match; for [] None is returned.
    """
    import re

    return (
        re.compile("|".join(f"(?:{pattern})" for pattern in patterns)).match if patterns else None
    )


def globs(patterns: list[str]) -> list[str]:
    """Return shell-style patterns translated into regular expressions, in this Python's syntax."""
    import fnmatch

    return [fnmatch.translate(pattern) for pattern in patterns]


class Functions:
    """The functions that the trace has met, by their code objects.

    `request` may have `include` and `omit`, lists of regular expressions for a file's whole path,
    and `function`, a list of shell-style patterns.  Facts about each function that is shown are
    appended to `new` once: number, module, name, file, line.
    """

    def __init__(self, request: dict[str, Any], new: deque[Any]) -> None:
        self.include = matcher(request.get("include") or [])
        self.omit = matcher(request.get("omit") or [])
        self.function = matcher(globs(request.get("function") or []))
        self.new = new
        self.folder = os.getcwd()
        self.known: dict[int, Function] = {}
        self.numbers: dict[tuple[str, str, str, int], int] = {}
        self.next = count(1).__next__

    def look(self, code: CodeType, globals_: dict[str, Any]) -> Function:
        """Return the facts about `code`, which is met for the first time, and remember them.

        `globals_` is the namespace of its module.
        """
        function = Function(self.number_of(code, globals_), code)
        function.reference = Reference(code, DISCARD)
        function.reference.discard = partial(self.known.pop, id(code), None)
        self.known[id(code)] = function
        return function

    def number_of(self, code: CodeType, globals_: dict[str, Any]) -> int:
        """Return the number of the function of `code`, a new one if need be; 0 if not shown."""
        file = code.co_filename
        name = getattr(code, "co_qualname", code.co_name)  # from 3.11 on
        module = globals_.get("__name__") if type(globals_) is dict else None
        if type(module) is not str:
            module = "?"
        if not self.is_wanted(file, name, module):
            return 0
        what = (
            module[:LONGEST_NAME],
            name[:LONGEST_NAME],
            file[:LONGEST_FILE],
            code.co_firstlineno,
        )
        number = self.numbers.get(what)
        if number is None:
            # Two threads may give two numbers to one function: both are sent.
            number = self.numbers[what] = self.next()
            self.new.append((number, *what))
        return number

    def is_wanted(self, file: str, name: str, module: str) -> bool:
        """Tell whether the filters let a function pass, by its file, qualified name and module."""
        if file.startswith("<covattach "):
            return False
        path = file
        if not file.startswith(("/", "<")):
            path = os.path.normpath(f"{self.folder}/{file}")
        if self.include is not None and not self.include(path):
            return False
        if self.omit is not None and self.omit(path):
            return False
        names = (name, f"{module}.{name}", code_name(name))
        return self.function is None or any(map(self.function, names))


def code_name(name: str) -> str:
    """Return the last part of a qualified name."""
    return name.rpartition(".")[2]


class Threads:
    """The threads that the trace has met, each with a number of its own; 0 for those not shown.

    `patterns` are shell-style patterns of names or of native ids.  Facts about each thread that is
    shown are appended to `new`: number, name, native id.  `unpatched(module, name)` returns a
    function as it was before gevent replaced it.
    """

    def __init__(self, patterns: list[str], new: deque[Any], unpatched: Any) -> None:
        self.local = unpatched("_thread", "_local")()
        self.ident = unpatched("_thread", "get_ident")
        self.native = unpatched("_thread", "get_native_id")
        self.match = matcher(globs(patterns))
        self.new = new
        self.next = count(1).__next__

    def leave_out(self) -> None:
        """Give the calling thread, which is the agent's, the number 0: it is not shown."""
        self.local.number = 0

    def number(self) -> int:
        """Return the number of the calling thread, 0 if it is not shown."""
        try:
            found: int = self.local.number
        except AttributeError:
            found = self.meet()
        return found

    def meet(self) -> int:
        """Give the calling thread a number, 0 if it is not to be shown, and return that."""
        native = self.native()
        name = self.name() or ("MainThread" if native == os.getpid() else f"thread {native}")
        wanted = self.match is None or self.match(name) or self.match(str(native))
        number = self.next() if wanted else 0
        self.local.number = number
        if number:
            self.new.append((number, name[:LONGEST_NAME], native))
        return number

    def name(self) -> str:
        """Return the name that `threading` has for the calling thread, or "".

        Read from the object's own dictionary: a subclass may have a property of that name.
        """
        import threading

        thread = threading._active.get(self.ident())  # type: ignore[attr-defined]
        if thread is None:
            return ""
        # gevent has put a subclass in the place of the class itself.
        kinds = [kind for kind in threading.Thread.__mro__ if "__dict__" in vars(kind)]
        held = vars(kinds[0])["__dict__"].__get__(thread)
        name = held.get("_name")
        return name if type(name) is str else ""
