"""The detour: its machine code, and what becomes of it where it cannot be written."""

from __future__ import annotations

import os

import pytest

from covattach.errors import NotPossible
from covattach.injector.detour import BLOCK, ORDER, Detour
from covattach.injector.detour_code import BEHIND, CODE, LISTING, UNDO
from covattach.target.memory import Memory

FUNCTIONS = dict.fromkeys(ORDER, 0)


def test_places_in_the_code() -> None:
    """Entries and way out are where the listing has them."""
    lines = LISTING.splitlines()
    before = "".join(line[:20] for line in lines[: lines.index("# undo:")] if line[:1] != "#")
    assert bytes.fromhex(before) == CODE[:UNDO]
    assert CODE[BEHIND : BEHIND + 3] == bytes.fromhex("488da4")  # lea rsp, the second entry
    assert CODE[:1] == b"\xeb"  # the first entry is a jump of two bytes
    assert CODE[UNDO : UNDO + BEHIND] == b"\x90" * BEHIND  # the way out, moved back or not


def test_loads_of_the_block_are_where_it_lies() -> None:
    """Each instruction that is relative to the code finds the address of the block behind it."""
    at, found = 0, 0
    for line in LISTING.splitlines():
        if line[:1] == "#":
            continue
        size = len(bytes.fromhex(line[:20]))
        at += size
        if "[rip+" in line:
            offset = int(line.partition("[rip+")[2].rstrip("]"), 16)
            assert at + offset == len(CODE), line
            found += 1
    assert found == 4


def test_memory_that_cannot_be_written() -> None:
    """A policy that forbids it is told as such."""
    fd = os.open("/proc/self/mem", os.O_RDONLY)
    try:
        with pytest.raises(NotPossible, match="lets nobody write"):
            Detour(0x1000, 0x2000).place(Memory(fd), FUNCTIONS, b"0", 0x3000, run=True)
    finally:
        os.close(fd)


def test_block_holds_a_line() -> None:
    """The room is enough for the block and the longest line that is ever put behind it."""
    from covattach.injector.detour import ROOM
    from covattach.injector.launcher import launcher

    longest = launcher("/" + "x" * 55)
    assert BLOCK.size + len(longest) + 1 <= ROOM
