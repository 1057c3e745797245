"""A mapping: a piece of a process's memory, as /proc/PID/maps shows it (proc(5))."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mapping:
    """One line of /proc/PID/maps; addresses in bytes, `offset` in the file in bytes."""

    start: int
    end: int
    permissions: str
    offset: int
    path: str

    def __contains__(self, address: int) -> bool:
        """Whether `address` lies in the mapping."""
        return self.start <= address < self.end

    @property
    def deleted(self) -> bool:
        """Whether the file was removed or replaced since it was mapped."""
        return self.path.endswith(" (deleted)")


def parse_mapping(line: str) -> Mapping:
    """Return one line of /proc/PID/maps as a Mapping; raises ValueError."""
    fields = line.split(maxsplit=5)
    if len(fields) < 5:
        raise ValueError(f"only {len(fields)} fields")
    start, end = fields[0].split("-")
    path = fields[5].rstrip("\n") if len(fields) > 5 else ""
    return Mapping(int(start, 16), int(end, 16), fields[1], int(fields[2], 16), path)


def parse_mappings(text: str) -> list[Mapping]:
    """Return the lines of /proc/PID/maps as mappings; raises ValueError."""
    return [parse_mapping(line) for line in text.split("\n") if line]
