"""Filters in classic BPF are looked through: all that they may answer, and nothing else."""

from __future__ import annotations

import struct

import pytest

from covattach.target import bpf, syscalls

KILL, ERROR, ALLOW = 0x80000000, 0x00050001, 0x7FFF0000
LOAD, EQUAL, GREATER, SET, JUMP, RETURN, RETURN_A = 0x20, 0x15, 0x25, 0x45, 0x05, 0x06, 0x16
IMMEDIATE, STORE, LOAD_MEMORY, AND, ADD_X, TAX, TXA, NEGATE = 0, 2, 0x60, 0x54, 0x0C, 7, 0x87, 0x84
NUMBER, ARGUMENT = 0, 16
Steps = list[tuple[int, int, int, int]]


def answers(steps: Steps, **data: int) -> set[int | None]:
    """Return the possible answers of a filter; `data` are words by "at" and their offsets."""
    program = b"".join(struct.pack("<HBBI", *step) for step in steps)
    return bpf.answers(bpf.parse(program), {int(name[2:]): word for name, word in data.items()})


BY_ARGUMENT: Steps = [
    (LOAD, 0, 0, NUMBER),
    (EQUAL, 0, 3, 41),
    (LOAD, 0, 0, ARGUMENT),
    (EQUAL, 1, 0, 1),
    (RETURN, 0, 0, KILL),
    (RETURN, 0, 0, ALLOW),
]


def test_one_way_through() -> None:
    """A known word decides a jump; an unknown one leaves both ways open."""
    assert answers(BY_ARGUMENT, at0=42) == {ALLOW}
    assert answers(BY_ARGUMENT, at0=41, at16=1) == {ALLOW}
    assert answers(BY_ARGUMENT, at0=41, at16=2) == {KILL}
    assert answers(BY_ARGUMENT, at0=41) == {KILL, ALLOW}
    assert answers(BY_ARGUMENT) == {KILL, ALLOW}


def test_memory_and_arithmetic() -> None:
    """Values go through the memory, the index and arithmetic; unknown ones stay so."""
    steps: Steps = [
        (LOAD, 0, 0, NUMBER),
        (AND, 0, 0, 0xF0),
        (STORE, 0, 0, 3),
        (IMMEDIATE, 0, 0, 1),
        (TAX, 0, 0, 0),
        (LOAD_MEMORY, 0, 0, 3),
        (ADD_X, 0, 0, 0),
        (NEGATE, 0, 0, 0),
        (RETURN_A, 0, 0, 0),
    ]
    assert answers(steps, at0=0x3F) == {-0x31 & 0xFFFFFFFF}
    assert answers(steps) == {None}


def test_ways_that_meet() -> None:
    """A value that is the same on both ways is known; one that is not, is not."""
    same: Steps = [
        (LOAD, 0, 0, ARGUMENT),
        (GREATER, 0, 1, 5),
        (JUMP, 0, 0, 0),
        (IMMEDIATE, 0, 0, ALLOW),
        (RETURN_A, 0, 0, 0),
    ]
    assert answers(same) == {ALLOW}
    other: Steps = [
        (LOAD, 0, 0, ARGUMENT),
        (SET, 0, 2, 4),
        (IMMEDIATE, 0, 0, KILL),
        (JUMP, 0, 0, 1),
        (IMMEDIATE, 0, 0, ALLOW),
        (RETURN_A, 0, 0, 0),
    ]
    assert answers(other) == {None}
    assert answers(other, at16=3) == {ALLOW}


@pytest.mark.parametrize(
    "step", [(0x40, 0, 0, 0), (0x55, 0, 0, 0), (0xF4, 0, 0, 0), (JUMP, 0, 0, 9)]
)
def test_not_understood(step: tuple[int, int, int, int]) -> None:
    """A step that the kernel would refuse is not guessed at."""
    with pytest.raises(bpf.NotUnderstood):
        answers([step, (RETURN, 0, 0, ALLOW)], at0=1)


def test_numbers_are_those_of_the_kernel() -> None:
    """No two calls have one number, and each argument is at its place."""
    for machine in syscalls.ARCHITECTURES:
        numbers = [syscalls.number(name, machine) for name in syscalls.NUMBERS]
        known = [number for number in numbers if number is not None]
        assert len(known) == len(set(known))
    words = syscalls.words("socket", {0: 1, 1: 1 << 40 | 2}, "EM_X86_64")
    assert words == {0: 41, 4: 0xC000003E, 16: 1, 20: 0, 24: 2, 28: 1 << 8}
