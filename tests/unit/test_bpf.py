"""Filters in classic BPF are looked through: all that they may answer, and nothing else."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from covattach.process import seccomp, seccomp_bpf, seccomp_calls

KILL, ERROR, ALLOW = 0x80000000, 0x00050001, 0x7FFF0000
LOAD, EQUAL, GREATER, SET, JUMP, RETURN, RETURN_A = 0x20, 0x15, 0x25, 0x45, 0x05, 0x06, 0x16
IMMEDIATE, STORE, LOAD_MEMORY, AND, ADD_X, TAX, TXA, NEGATE = 0, 2, 0x60, 0x54, 0x0C, 7, 0x87, 0x84
AT_LEAST = 0x35
NUMBER, ARGUMENT = 0, 16
Steps = list[tuple[int, int, int, int]]


def answers(steps: Steps, **data: int) -> set[int | None]:
    """Return the possible answers of a filter; `data` are words by "at" and their offsets."""
    words = {int(name[2:]): word for name, word in data.items()}
    return seccomp_bpf.answers(seccomp_bpf.parse(packed(steps)), words, seccomp_bpf.Effort(100_000))


def packed(steps: Steps) -> bytes:
    """Return a filter as the kernel hands it out."""
    return b"".join(struct.pack("<HBBI", *step) for step in steps)


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
    with pytest.raises(seccomp_bpf.NotUnderstood):
        answers([step, (RETURN, 0, 0, ALLOW)], at0=1)


def test_numbers_are_those_of_the_kernel() -> None:
    """No two calls have one number, and each argument is at its place."""
    for machine in seccomp_calls.ARCHITECTURES:
        numbers = [seccomp_calls.number(name, machine) for name in seccomp_calls.NUMBERS]
        known = [number for number in numbers if number is not None]
        assert len(known) == len(set(known))
    words = seccomp_calls.words("socket", {0: 1, 1: 1 << 40 | 2}, "EM_X86_64")
    assert words == {0: 41, 4: 0xC000003E, 16: 1, 20: 0, 24: 2, 28: 1 << 8}


class Machine:
    """The facts of an interpreter that the check needs."""

    machine, version = "EM_X86_64", (3, 11)


def listing(numbers: range, found: int, other: int) -> bytes:
    """Return a filter as libseccomp makes it: a comparison and an answer for each call."""
    steps: Steps = [(LOAD, 0, 0, 4), (EQUAL, 1, 0, 0xC000003E), (RETURN, 0, 0, ERROR)]
    steps += [(LOAD, 0, 0, NUMBER), (AT_LEAST, 0, 1, 0x40000000), (RETURN, 0, 0, ERROR)]
    for number in numbers:
        steps += [(EQUAL, 0, 1, number), (RETURN, 0, 0, found)]
    return packed([*steps, (RETURN, 0, 0, other)])


def found(*programs: bytes) -> set[str]:
    """Return the calls at which these filters may kill."""
    machine: Any = Machine
    return seccomp.kills(programs, machine, is_old_libc=False)


def test_sets_of_honest_filters() -> None:
    """Docker's list of 400 calls, and twenty long ones of systemd's, are not too long."""
    assert found(listing(range(400), ALLOW, ERROR)) == set()
    assert found(*(listing(range(n, 450), ERROR, ALLOW) for n in range(20))) == set()
    assert "mmap" in found(*(listing(range(n, 450), ERROR, KILL) for n in range(20)))


ENDLESS: dict[str, Steps] = {
    "nothing is known": [(LOAD, 0, 0, ARGUMENT + 40), *[(EQUAL, 1, 0, n) for n in range(4000)]],
    "the memory": [
        (LOAD, 0, 0, ARGUMENT + 40),
        *[step for n in range(2000) for step in ((EQUAL, 1, 0, n), (STORE, 0, 0, n % 16))],
    ],
}


@pytest.mark.parametrize("attack", ENDLESS)
def test_work_on_filters_is_bounded(attack: str) -> None:
    """Filters that take much work, all of a process together, are given up."""
    ends: Steps = [(RETURN, 0, 0, ALLOW)] * 2
    programs = [packed([*ENDLESS[attack], (EQUAL, 0, 0, n), *ends]) for n in range(6)]
    with pytest.raises(seccomp_bpf.NotUnderstood, match="too long"):
        found(*programs)
