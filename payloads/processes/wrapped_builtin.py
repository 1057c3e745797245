"""Replacements for functions of the standard library that seem to be the originals.

Applications pickle such functions, have them as attributes of classes, look them up in sets such as
`os.supports_fd`, and ask `inspect` what they are.
"""

from __future__ import annotations

from types import BuiltinFunctionType
from typing import Any


class WrappedBuiltin:
    """Replaces the builtin function `usual`: a call calls `do` with `usual` and the arguments.

    Like a builtin function it is not bound to instances, has no attributes of its own, and is
    pickled by its name.
    """

    __slots__ = ("__weakref__", "_do", "_usual")
    _do: Any
    _usual: Any

    def __init__(self, usual: Any, do: Any) -> None:
        object.__setattr__(self, "_usual", usual)
        object.__setattr__(self, "_do", do)

    def __call__(self, /, *arguments: Any, **keywords: Any) -> Any:
        """Call `do` with the original function and the arguments."""
        return self._do(self._usual, *arguments, **keywords)

    def __getattribute__(self, name: str) -> Any:
        if name in ("_do", "_usual"):
            return object.__getattribute__(self, name)
        if name in ("__reduce__", "__reduce_ex__"):  # by name, which leads to this one
            return lambda *_: self._usual.__qualname__
        return getattr(self._usual, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._usual, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._usual, name)

    def __eq__(self, other: object) -> bool:
        return other is self or other is self._usual

    def __hash__(self) -> int:
        return hash(self._usual)

    def __repr__(self) -> str:
        return repr(self._usual)

    def __dir__(self) -> list[str]:
        return dir(self._usual)


for attribute in ("__name__", "__qualname__"):
    setattr(WrappedBuiltin, attribute, BuiltinFunctionType.__name__)
