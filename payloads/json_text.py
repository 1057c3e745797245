"""JSON by the module `_json`: in Python, applications replace `json`, or change what it does.

loads(text), dumps(value), load(file), dump(value, file)      as there
"""

from __future__ import annotations

from typing import Any

try:
    import _json as module
except ImportError:
    import json as module  # type: ignore[no-redef]  # a Python built without it


class Reading:
    """What the scanner asks of whoever wants something read."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float, parse_int, parse_constant = float, int, float

    def __getattr__(self, name: str) -> Any:
        return None  # 3.15 also asks for an `array_hook`


def refuse(value: Any) -> Any:
    """Raise for what JSON has no words for."""
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def made(module: Any) -> tuple[Any, Any]:
    """Return what reads a text from a place on, and what makes parts of a text of a value."""
    if module.__name__ == "json":
        return module.JSONDecoder().scan_once, module.JSONEncoder(default=refuse).iterencode
    text = module.encode_basestring_ascii
    encode = module.make_encoder(None, refuse, text, None, ": ", ", ", False, False, True)
    return module.make_scanner(Reading()), encode


def loads(text: str | bytes) -> Any:
    """Return the value; raises ValueError, RecursionError."""
    words = (text if isinstance(text, str) else text.decode()).strip(" \t\n\r")
    try:
        value, end = SCAN(words, 0)
    except StopIteration as error:
        raise ValueError("this is not JSON") from error
    if end != len(words):
        raise ValueError("this is more than JSON")
    return value


def dumps(value: Any) -> str:
    """Return the text; raises TypeError for what cannot be told."""
    return "".join(ENCODE(value, 0))


def load(file: Any) -> Any:
    """Return the value in a file; raises ValueError, RecursionError."""
    return loads(file.read())


def dump(value: Any, file: Any) -> None:
    """Write a value to a file."""
    file.write(dumps(value))


SCAN, ENCODE = made(module)
