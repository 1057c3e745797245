"""Checks of the facts that a target tells of itself: a fact of the wrong type is left out.

The target's user can write to the session's folder, and the agent's reply comes out of the target;
the reader may be root.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

LARGEST = 1e15  # no time, size or number of ours is larger
LONGEST_TEXT, LONGEST_LINE, MOST_TEXTS = 1 << 16, 1000, 1000  # characters, characters, texts
MOST_PARTS = 4_000_000  # commas and brackets in JSON: 100,000 files have 300,000
DEEPEST = 50  # levels of lists and dicts: an honest reply has 5
Check = Callable[[Any], bool]


def is_number(value: Any) -> bool:
    """Whether `value` is an int or float between -LARGEST and LARGEST, and no NaN."""
    return type(value) in (int, float) and abs(value) < LARGEST  # NaN is not


def is_natural(value: Any) -> bool:
    """Whether `value` is an int from 0 to LARGEST."""
    return type(value) is int and 0 <= value < LARGEST


def is_text(value: Any) -> bool:
    """Whether `value` is a text of at most LONGEST_TEXT characters that could be a file's name."""
    return isinstance(value, str) and len(value) <= LONGEST_TEXT and is_name(value)


def is_name(text: str) -> bool:
    """Whether `text` can be encoded as a file's name: no NUL, and no lone surrogate from JSON."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:  # a lone surrogate, which JSON can have
        return False


def is_words(value: Any) -> bool:
    """Whether `value` is one printable line of at most LONGEST_LINE characters."""
    return is_text(value) and len(value) <= LONGEST_LINE and value.isprintable()


def is_flag(value: Any) -> bool:
    """Whether `value` is true or false."""
    return isinstance(value, bool)


def is_texts(value: Any) -> bool:
    """Whether `value` is a list of texts."""
    return isinstance(value, list) and all(map(is_text, value))


def is_said(value: Any) -> bool:
    """Whether `value` is a list of at most MOST_TEXTS texts, few enough for somebody to read."""
    return is_texts(value) and len(value) <= MOST_TEXTS


def is_list(value: Any) -> bool:
    """Whether `value` is a list, with items of any kind."""
    return isinstance(value, list)


def is_path(value: Any) -> bool:
    """Whether `value` is an absolute path."""
    return is_text(value) and value.startswith("/")


def is_process(value: Any) -> bool:
    """Whether `value` is a list of a PID and a start time."""
    return isinstance(value, list) and len(value) == 2 and all(map(is_natural, value))


def is_setting(value: Any) -> bool:
    """Whether `value` can be a setting's in coverage: bool, number, text or list of texts."""
    return is_flag(value) or is_number(value) or is_text(value) or is_texts(value)


def is_paths(value: Any) -> bool:
    """Whether `value` is coverage's setting "paths": a dict of names and lists of folders."""
    return (
        isinstance(value, dict) and all(map(is_text, value)) and all(map(is_texts, value.values()))
    )


def is_settings(value: Any) -> bool:
    """Whether `value` is a dict whose values are coverage settings."""
    return isinstance(value, dict) and all(is_setting(v) or is_paths(v) for v in value.values())


# Facts that covattach writes itself, or gets from the kernel: a target's reply cannot set them.
OURS = (
    "attacher",
    "command",
    "created",
    "cwd",
    "gathered",
    "key",
    "method",
    "pid",
    "said_by",
    "sender",
    "settings",
    "start_time",
    "tree",
)
KINDS: dict[Check, str] = {
    is_natural: "pid parent start_time points thread protocol",
    is_number: "created since pause_ms attach_ms snapshot_ms mark_ms overhead max_overhead percent",
    is_words: "python core method coverage role key",
    is_text: "command how window off previous error message traceback",
    is_flag: "measuring branch",
    is_said: "warnings transcript",
    is_list: "windows",
    is_path: "cwd tree",
    is_process: "attacher",
    is_settings: "settings",
}
CHECKS = {name: check for check, names in KINDS.items() for name in names.split()}


def validated(said: Any) -> dict[str, Any]:
    """Return the facts in `said` whose values are of the right type; unknown names are not checked.

    Returns {} if `said` is no dict.
    """
    if not isinstance(said, dict):
        return {}
    return {name: value for name, value in said.items() if CHECKS.get(name, is_any)(value)}


def said(reply: Any) -> dict[str, Any]:
    """Return the checked facts in an agent's reply, without those that only we may write (OURS)."""
    return {name: value for name, value in validated(reply).items() if name not in OURS}


def printable(text: str) -> str:
    """Return `text` with "?" for each control character, so that no terminal obeys it."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def parsed(text: bytes, most: int = MOST_PARTS) -> Any:
    """Return the value of a JSON text; raises ValueError if it is malformed, too large or too deep.

    `most` is the largest number of parts, counted by commas and opening brackets: an inner list
    takes 3 bytes of text, and 80 of memory.  The depth is limited (DEEPEST) because code that
    shows, compares or writes the value recurses as deep.
    """
    if sum(map(text.count, (b",", b"[", b"{"))) > most:
        raise ValueError("it has too many parts")
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("it is too deep") from None
    if is_deep(value):
        raise ValueError("it is too deep")
    return value


def is_deep(value: Any) -> bool:
    """Whether `value` has lists or dicts nested deeper than DEEPEST, as no honest value has."""
    level = [value] if isinstance(value, list | dict) else []
    for _ in range(DEEPEST):
        if not level:
            return False
        inner = (one.values() if isinstance(one, dict) else one for one in level)
        level = [part for one in inner for part in one if isinstance(part, list | dict)]
    return bool(level)


def is_any(value: Any) -> bool:
    """Return True: facts with unknown names are not checked."""
    return True
