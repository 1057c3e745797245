"""JSON by the C module `_json`, as applications may replace the module `json`, or change it.

loads(text), dumps(value), load(file) and dump(value, file) are as in `json`.
"""

from __future__ import annotations

from typing import Any

try:
    import _json as module
except ImportError:
    import json as module  # type: ignore[no-redef]  # a Python built without it


class Reading:
    """The settings of the JSON parser, as `_json.make_scanner` looks them up."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float, parse_int, parse_constant = float, int, float

    def __getattr__(self, name: str) -> Any:
        return None  # 3.15 also asks for an `array_hook`


def refuse(value: Any) -> Any:
    """Raise TypeError for a value that JSON cannot represent."""
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def parser_and_encoder(module: Any) -> tuple[Any, Any]:
    """Return a function that parses a value at a position of a text, and one that encodes a value.

    `module` is `_json`, or `json` where that is missing.  The second function returns parts of a
    text.
    """
    if module.__name__ == "json":
        return module.JSONDecoder().scan_once, module.JSONEncoder(default=refuse).iterencode
    text = module.encode_basestring_ascii
    encode = module.make_encoder(None, refuse, text, None, ": ", ", ", False, False, True)
    return module.make_scanner(Reading()), encode


def loads(text: str | bytes) -> Any:
    """Return the value of a JSON text; raises ValueError, RecursionError."""
    words = (text if isinstance(text, str) else text.decode()).strip(" \t\n\r")
    try:
        value, end = SCAN(words, 0)
    except StopIteration as error:
        raise ValueError("this is not JSON") from error
    if end != len(words):
        raise ValueError("this is more than JSON")
    return value


def dumps(value: Any) -> str:
    """Return a value as JSON text; raises TypeError if JSON cannot represent it."""
    return "".join(ENCODE(value, 0))


def load(file: Any) -> Any:
    """Return the value of the JSON text in an open file; raises ValueError, RecursionError."""
    return loads(file.read())


def dump(value: Any, file: Any) -> None:
    """Write a value as JSON text to an open file; raises TypeError if JSON cannot represent it."""
    file.write(dumps(value))


SCAN, ENCODE = parser_and_encoder(module)
