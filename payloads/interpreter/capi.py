"""Native calls of the interpreter's C functions, by the C module `_ctypes` alone.

They can be made below Python 3.12, or where the application has imported `_ctypes`.  The module
`ctypes` on top of it makes a callback when it is imported.  For that, libffi opens its own file and
never closes it, so that a descriptor would be left in the target.  From libffi 3.5 on `_ctypes`
itself does so; the Pythons that come with that one need no native calls.

The classes made here are kept for all sessions: each refers to itself, and would wait for the
garbage collector.
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
    """Return the `_ctypes` type of a code: "P" is `void *`, "i" is `int`, "O" is `PyObject *`."""
    return type("Simple", (_ctypes._SimpleCData,), {"_type_": code})


@lru_cache(None)
def array(code: str, length: int) -> Any:
    """Return the `_ctypes` type of an array of `length` items, whose type has the code `code`."""
    return type("Array", (_ctypes.Array,), {"_type_": kind(code), "_length_": length})


def address(name: str) -> int:
    """Return the address of the exported C function `name`; raises NoNativeCalls."""
    if _ctypes is None:
        raise NoNativeCalls("the target's Python has no _ctypes")
    try:
        return int(_ctypes.dlsym(_ctypes.dlopen(None, 0), name))
    except OSError as error:
        raise NoNativeCalls(f"{name} is not exported") from error


@lru_cache(None)
def function(name: str, result: str, arguments: str = "") -> Any:
    """Return the exported C function `name`, to be called from Python; raises NoNativeCalls.

    `result` is the code of its type, and `arguments` has one code for each argument, as for `kind`.
    """
    place = address(name)
    members = {"_flags_": CDECL | PYTHONAPI, "_restype_": kind(result)}
    found = type("Function", (_ctypes.CFuncPtr,), members)(place)
    found.argtypes = [kind(code) for code in arguments]
    return found


def words(place: int, count: int) -> Any:
    """Return the `count` machine words at the address `place`, as a live view of the memory.

    A word is None where it is zero.
    """
    return words_at(count)(place)


def words_at(count: int) -> Any:
    """Return a C function that returns the `count` words at its argument, as `words` does."""
    return array("P", count).from_address


def object_at(place: int) -> Any:
    """Return the Python object at the address `place`; there must be one."""
    return _ctypes.PyObj_FromPtr(place)


def text(content: bytes) -> Any:
    """Return `content` as a zero-terminated C string, in memory that the returned object owns."""
    return array("B", len(content) + 1)(*content, 0)


def address_of(data: Any) -> int:
    """Return the address of the memory of `data`, a `text` or another array made here."""
    return int(_ctypes.addressof(data))
