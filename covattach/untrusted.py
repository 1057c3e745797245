"""Facts that a target tells of itself, checked before use: of the right kind, or left out.

The target's user can write to the session's folder, and the agent's reply comes out of the
target; the reader may be root.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

LARGEST = 1e15  # no time, size or number of ours is larger
LONGEST_TEXT, LONGEST_LINE, MOST_TEXTS = 1 << 16, 1000, 1000  # characters, and how many
MOST_PARTS = 4_000_000  # of JSON: 100,000 files are 300,000
DEEPEST = 50  # lists in lists: an honest reply has 5
Check = Callable[[Any], bool]


def is_number(value: Any) -> bool:
    """Whether it is a finite number that can be reckoned with."""
    return type(value) in (int, float) and abs(value) < LARGEST  # NaN is not


def is_natural(value: Any) -> bool:
    """Whether it is a whole number from 0 on."""
    return type(value) is int and 0 <= value < LARGEST


def is_text(value: Any) -> bool:
    """Whether it is a text that can also be a name of a file, and can be shown to somebody."""
    return isinstance(value, str) and len(value) <= LONGEST_TEXT and is_name(value)


def is_name(text: str) -> bool:
    """Whether the text can be a name of a file."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:  # half of a pair, which JSON can have
        return False


def is_words(value: Any) -> bool:
    """Whether it is a text of one line, which a terminal takes for nothing but text."""
    return is_text(value) and len(value) <= LONGEST_LINE and value.isprintable()


def is_flag(value: Any) -> bool:
    """Whether it is true or false."""
    return isinstance(value, bool)


def is_texts(value: Any) -> bool:
    """Whether it is a list of texts."""
    return isinstance(value, list) and all(map(is_text, value))


def is_said(value: Any) -> bool:
    """Whether it is a list of texts that somebody could read."""
    return is_texts(value) and len(value) <= MOST_TEXTS


def is_list(value: Any) -> bool:
    """Whether it is a list, with items of any kind."""
    return isinstance(value, list)


def is_path(value: Any) -> bool:
    """Whether it is an absolute path."""
    return is_text(value) and value.startswith("/")


def is_process(value: Any) -> bool:
    """Whether it is a PID and a start time."""
    return isinstance(value, list) and len(value) == 2 and all(map(is_natural, value))


def is_setting(value: Any) -> bool:
    """Whether it is a value that coverage takes for a setting."""
    return is_flag(value) or is_number(value) or is_text(value) or is_texts(value)


def is_paths(value: Any) -> bool:
    """Whether it is coverage's setting "paths": names with lists of folders."""
    return (
        isinstance(value, dict) and all(map(is_text, value)) and all(map(is_texts, value.values()))
    )


def is_settings(value: Any) -> bool:
    """Whether it maps names to settings."""
    return isinstance(value, dict) and all(is_setting(v) or is_paths(v) for v in value.values())


# What covattach notes of a session, or the kernel tells: no reply of a target's has a say in it.
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
    """Return those of the facts that are of the right kind; unknown ones are left as they are."""
    if not isinstance(said, dict):
        return {}
    return {name: value for name, value in said.items() if CHECKS.get(name, is_any)(value)}


def said(reply: Any) -> dict[str, Any]:
    """Return the facts in a target's reply, checked, without those that only we may write."""
    return {name: value for name, value in validated(reply).items() if name not in OURS}


def printable(text: str) -> str:
    """Return a text with "?" for each control character, so that no terminal obeys it."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def parsed(text: bytes, most: int = MOST_PARTS) -> Any:
    """Return the value of a JSON text; raises ValueError if it is malformed, or of too many parts.

    A list in a list takes 3 bytes there and 80 here: so the number of parts is bounded.  So is the
    depth: whoever shows, compares or writes the value goes as deep, and from another depth.
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
    """Whether there are more lists in lists than in any honest value."""
    level = [value]
    for _ in range(DEEPEST):
        inner = (one.values() if isinstance(one, dict) else one for one in level)
        level = [part for one in inner for part in one if isinstance(part, list | dict)]
        if not level:
            return False
    return True


def is_any(value: Any) -> bool:
    """Whether it is anything at all."""
    return True
