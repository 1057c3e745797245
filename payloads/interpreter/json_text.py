"""JSON by the C module `_json`, as applications may replace the module `json`, or change it.

loads(text), dumps(value), load(file), dump(value, file)      as there
"""

from __future__ import annotations

from typing import Any

try:
    import _json as module
except ImportError:
    import json as module  # type: ignore[no-redef]  # a Python built without it


class Reading:
    """The settings that a scanner reads a text by."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float, parse_int, parse_constant = float, int, float

    def __getattr__(self, name: str) -> Any:
        return None  # 3.15 also asks for an `array_hook`


def refuse(value: Any) -> Any:
    """Raise TypeError for a value that JSON has no form for."""
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def made(module: Any) -> tuple[Any, Any]:
    """Return the functions that read a text from a position on, and make parts of a text."""
    if module.__name__ == "json":
        return module.JSONDecoder().scan_once, module.JSONEncoder(default=refuse).iterencode
    text = module.encode_basestring_ascii
    encode = module.make_encoder(None, refuse, text, None, ": ", ", ", False, False, True)
    return module.make_scanner(Reading()), encode


def loads(text: str | bytes) -> Any:
    """Return the value of a text; raises ValueError, RecursionError."""
    words = (text if isinstance(text, str) else text.decode()).strip(" \t\n\r")
    try:
        value, end = SCAN(words, 0)
    except StopIteration as error:
        raise ValueError("this is not JSON") from error
    if end != len(words):
        raise ValueError("this is more than JSON")
    return value


def dumps(value: Any) -> str:
    """Return a value as a text; raises TypeError for one that JSON has no form for."""
    return "".join(ENCODE(value, 0))


def load(file: Any) -> Any:
    """Return the value in a file; raises ValueError, RecursionError."""
    return loads(file.read())


def dump(value: Any, file: Any) -> None:
    """Write a value to a file."""
    file.write(dumps(value))


SCAN, ENCODE = made(module)
