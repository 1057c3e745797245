"""The detour: its machine code, and the outcome where it cannot be written."""

from __future__ import annotations

import os
import re
from itertools import repeat

import pytest

from covattach.errors import NotPossible
from covattach.injector.x86_64.detour import BLOCK, LENGTH, MAGIC, MARK, ORDER, Detour
from covattach.injector.x86_64.machine_code import BEHIND, CODE, LISTING, UNDO
from covattach.process.memory import Memory


def test_places_in_the_code() -> None:
    """Entries and way out are where the listing has them."""
    assert CODE[BEHIND : BEHIND + 3] == bytes.fromhex("488da4")  # lea rsp, the second entry
    assert CODE[:1] == b"\xeb"  # the first entry is a jump of two bytes
    assert CODE[UNDO : UNDO + BEHIND] == b"\x90" * BEHIND  # the way out, moved back or not


def test_loads_of_the_block_are_where_it_lies() -> None:
    """Each instruction that is relative to the code finds the address of the block behind it."""
    at, found = 0, 0
    for line in LISTING:
        if line[:1] in "#;":
            continue
        size = len(bytes.fromhex(line[:20]))
        at += size
        if "[rip+" in line:
            offset = int(line.partition("[rip+")[2].rstrip("]"), 16)
            assert at + offset == len(CODE), line
            found += 1
    assert found == 4


def test_fields_of_the_block_are_where_the_code_looks() -> None:
    """The listing calls as many functions as there are, and looks for the mark where it is."""
    text = "\n".join(LISTING)
    called = set(map(int, re.findall(r"call \[r(?:bx|12)\+(0x\w+)\]", text), repeat(16)))
    end = BLOCK.size - len(MAGIC)
    assert called == set(range(end - 8 - 8 * len(ORDER), end - 8, 8))
    assert f"cmp [r12+{end:#x}],r13" in text
    assert f"mov rsi,[rbx+{end - 8:#x}]" in text  # where the text is
    assert f"lea rdi,[rbx+{BLOCK.size:#x}]" in text  # where it is copied to
    assert f"sub rsp,{BLOCK.size + LENGTH:#x}" in text


def test_memory_that_cannot_be_written() -> None:
    """A policy that forbids it is told as such."""
    functions = (0,) * len(ORDER)
    fd = os.open("/proc/self/mem", os.O_RDONLY)
    try:
        with pytest.raises(NotPossible, match="lets nobody write"):
            Detour(0x1000, 0x2000, 0x3000, functions, 0).place(Memory(fd), b"0", 0x3000, run=True)
    finally:
        os.close(fd)


def test_room_for_a_line() -> None:
    """The room is enough for the longest line that is ever put there."""
    from covattach.injector.bootstrap_line import bootstrap_line

    assert len(MARK) + len(bootstrap_line("/" + "x" * 55, 1 << 47)) < LENGTH
