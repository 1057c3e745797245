"""Texts of /proc (proc(5)), parsed: a text of an unexpected form raises ValueError."""

from __future__ import annotations

import re

# Patterns of fields in /proc/PID/status; one that matches "" may be missing.
NUMBERS = r"\d+(\s+\d+)*"
FIELDS = {
    "Tgid": r"\d+",
    "State": r"[A-Za-z]\b.*",
    "TracerPid": r"\d+",
    "Uid": NUMBERS.replace("*", "{3}"),
    "Gid": NUMBERS.replace("*", "{3}"),
    "Groups": f"({NUMBERS})?",
    "NSpid": f"({NUMBERS})?",
}
MOST_FOLDERS = 32
MOST_VARIABLES = 4000  # to set n takes time of the order of n² (putenv(3))
NO_FILES = ("/proc", "/sys", "/dev")  # no place for files of ours; /dev/shm is one without this


def parse_start_time(text: str) -> int:
    """Return the start time in clock ticks: field 22 of /proc/PID/stat; raises ValueError."""
    # The name, field 2, may contain anything, also spaces and parentheses.
    fields = text.rpartition(")")[2].split()
    if len(fields) < 20:
        raise ValueError(f"only {len(fields)} fields")
    return int(fields[19])


def parse_start_stack(text: str) -> int:
    """Return the address where the stack starts: field 28 of /proc/PID/stat; raises ValueError.

    0 where we may not see it.
    """
    fields = text.rpartition(")")[2].split()
    if len(fields) < 26:
        raise ValueError(f"only {len(fields)} fields")
    return int(fields[25])


def parse_status(text: str) -> dict[str, str]:
    """Return the fields of /proc/PID/status; raises ValueError for one of an unexpected form."""
    lines = (line.partition(":") for line in text.split("\n"))
    found = {key: value.strip() for key, _, value in lines}
    for name, pattern in FIELDS.items():
        if not re.fullmatch(pattern, found.get(name, ""), re.ASCII):
            raise ValueError(f"{name} is {found.get(name)!r}")
    return found


def memory_folder(line: str) -> str | None:
    """Return the mount point of a line of /proc/PID/mountinfo if it is writable tmpfs, or None."""
    fields, _, more = line.partition(" - ")
    parts = fields.split(" ")
    if not more.startswith("tmpfs ") or len(parts) < 6 or "rw" not in parts[5].split(","):
        return None
    return parts[4].rstrip("/")


def memory_folders(text: str) -> list[str]:
    """Return the mount points of writable tmpfs in /proc/PID/mountinfo, for files of ours."""
    found = [memory_folder(line) for line in text.splitlines()]
    return [one for one in found if one is not None and not one.startswith(NO_FILES)][:MOST_FOLDERS]


def environment(content: bytes) -> dict[str, str]:
    """Return the variables in /proc/PID/environ, a text that the process itself can overwrite."""
    items = content.split(b"\0", MOST_VARIABLES)[:MOST_VARIABLES]
    texts = [item.decode(errors="surrogateescape") for item in items]
    # Those without a name cannot be set.
    return dict(item.partition("=")[::2] for item in texts if item.find("=") > 0)
