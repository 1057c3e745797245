"""Calling functions of the interpreter, by `_ctypes` alone; below Python 3.12, or where it is used.

The module `ctypes` on top of it makes a callback when it is imported, for which libffi opens its
own file and never closes it: a descriptor that would be left in the target.  From libffi 3.5 on
`_ctypes` itself does so; the Pythons that come with that one need no native calls, and have them
only if the application has imported it.

Its classes are made once for all sessions: each refers to itself, and would wait for the garbage
collector.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import Any

_ctypes: Any = None
if sys.version_info < (3, 12):
    try:
        import _ctypes
    except ImportError:
        _ctypes = None  # a Python built without it

CDECL, PYTHONAPI = 1, 4  # flags of Modules/_ctypes/ctypes.h; PYTHONAPI keeps the GIL


class NoNativeCalls(Exception):
    """The target's Python has no `_ctypes`, or the function is not exported."""


def is_there() -> bool:
    """Tell whether native calls can be made."""
    global _ctypes
    _ctypes = _ctypes or sys.modules.get("_ctypes")
    return _ctypes is not None


@lru_cache(None)
def kind(code: str) -> Any:
    """Return a type of C's: "P" for `void *`, "i" for `int`, "O" for `PyObject *`."""
    return type("Simple", (_ctypes._SimpleCData,), {"_type_": code})


@lru_cache(None)
def array(code: str, length: int) -> Any:
    """Return the type of so many things of a kind, one after the other."""
    return type("Array", (_ctypes.Array,), {"_type_": kind(code), "_length_": length})


def address(name: str) -> int:
    """Return where the exported function `name` is; raises NoNativeCalls."""
    if _ctypes is None:
        raise NoNativeCalls("the target's Python has no _ctypes")
    try:
        return int(_ctypes.dlsym(_ctypes.dlopen(None, 0), name))
    except OSError as error:
        raise NoNativeCalls(f"{name} is not exported") from error


@lru_cache(None)
def function(name: str, result: str, arguments: str = "") -> Any:
    """Return the exported C function `name`, to be called from Python; raises NoNativeCalls.

    `result` is the code of a type, and `arguments` has one for each argument, as for `kind`.
    """
    place = address(name)
    members = {"_flags_": CDECL | PYTHONAPI, "_restype_": kind(result)}
    found = type("Function", (_ctypes.CFuncPtr,), members)(place)
    found.argtypes = [kind(code) for code in arguments]
    return found


def words(place: int, count: int) -> Any:
    """Return the `count` machine words at an address, as a live view of the memory.

    A word is None where it is zero.
    """
    return words_at(count)(place)


def words_at(count: int) -> Any:
    """Return a C function of an address that returns the same as `words`."""
    return array("P", count).from_address


def object_at(place: int) -> Any:
    """Return the Python object at an address; there must be one."""
    return _ctypes.PyObj_FromPtr(place)


def text(content: bytes) -> Any:
    """Return a C string, which is freed with the returned object."""
    return array("B", len(content) + 1)(*content, 0)


def where(data: Any) -> int:
    """Return the address of a `text`, or of another array made here."""
    return int(_ctypes.addressof(data))
