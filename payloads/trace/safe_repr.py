"""Short texts for arguments and results of calls, made without running any of the target's code.

An application's `__repr__`, `__str__` or `__len__` may raise, block, or change something.  So only
objects of exactly the builtin types are looked into.  Of any other only its type is named, read
where the interpreter itself keeps the name, past properties and metaclasses.
"""

from __future__ import annotations

import sys
from itertools import islice
from types import CodeType, FrameType
from typing import Any

LONGEST_TEXT = 40  # characters of a string or bytes
MOST_ITEMS = 3  # of a list, a dictionary, …
MOST_ARGUMENTS = 12
WIDEST_INT = 128  # bits; the decimal digits of a huge number take seconds
LONGEST = 200  # characters of everything together
FUNCTION = 0x3  # CO_OPTIMIZED and CO_NEWLOCALS: what `def` and `lambda` make, not a module or class
VARARGS, VARKEYWORDS = 0x4, 0x8
# Until 3.12 `f_locals` is a dictionary that the frame keeps, and with it each object in it.  Where
# no trace function or profiler fills and reads it anyway, it is emptied again.
EMPTIED = sys.version_info[:2] == (3, 12)
PLAIN = (int, float, complex, bool, type(None), type(...))
BRACKETS: dict[Any, tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    frozenset: ("{", "}"),
    dict: ("{", "}"),
}
MODULE = type.__dict__["__module__"]  # a slot of C's, which no class can override
QUALNAME = type.__dict__["__qualname__"]


def shown(value: object, inside: bool = False) -> str:
    """Return any object as a short text; `inside` a container, no other is looked into."""
    kind = type(value)
    if kind is int and value.bit_length() > WIDEST_INT:  # type: ignore[attr-defined]
        return "<a large int>"
    if kind in PLAIN:
        return repr(value)
    if kind is str or kind is bytes:
        whole: Any = value
        return repr(whole[:LONGEST_TEXT]) + ("…" if len(whole) > LONGEST_TEXT else "")
    if kind in BRACKETS:
        return container(value, inside)
    return f"<{name_of(kind)} object>"


def container(value: Any, inside: bool) -> str:
    """Return the first items of a container of a builtin type as text, in its brackets.

    If it is itself `inside` a container, "…" stands for its items.
    """
    opening, closing = BRACKETS[type(value)]
    if not value:
        return opening + closing if type(value) is not set else "set()"
    if inside:
        return opening + "…" + closing
    # One call of C each: no other thread can change the container meanwhile.
    if type(value) is dict:
        items = list(islice(value.items(), MOST_ITEMS))
        parts = [f"{shown(key, True)}: {shown(held, True)}" for key, held in items]
    else:
        parts = [shown(item, True) for item in list(islice(value, MOST_ITEMS))]
    if len(value) > MOST_ITEMS:
        parts.append("…")
    return opening + ", ".join(parts) + closing


def name_of(kind: type) -> str:
    """Return the qualified name of a class, with its module's except for builtins."""
    try:
        module = MODULE.__get__(kind)
    except AttributeError:
        module = None  # the class has deleted it
    name = QUALNAME.__get__(kind)
    named = [part for part in (module, name) if type(part) is str]
    if type(module) is str and module == "builtins":
        named = named[1:]
    return ".".join(named)[:LONGEST]


def parameters(code: CodeType) -> list[str]:
    """Return the names of a function's parameters in the order of `def`, with the stars."""
    count = code.co_argcount + code.co_kwonlyargcount
    names = list(code.co_varnames[:count])
    rest = iter(code.co_varnames[count:])
    if code.co_flags & VARARGS:
        names.insert(code.co_argcount, "*" + next(rest))
    if code.co_flags & VARKEYWORDS:
        names.append("**" + next(rest))
    return names


def arguments(frame: FrameType, names: list[str], emptied: bool = EMPTIED) -> str:
    """Return the arguments of a call that has just begun, as text; "" for code of no function.

    `names` are those of `parameters`.  With `emptied`, the dictionary of the frame's locals is
    emptied again.
    """
    if not names or frame.f_code.co_flags & FUNCTION != FUNCTION:
        return ""
    held: Any = frame.f_locals
    parts = []
    for name in names[:MOST_ARGUMENTS]:
        try:
            value = held[name.lstrip("*")]
        except KeyError:
            continue
        parts.append(f"{name}={shown(value)}")
    if emptied:
        held.clear()
    if len(names) > MOST_ARGUMENTS:
        parts.append("…")
    text = ", ".join(parts)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
