"""Possible answers of seccomp filters, which are programs in classic BPF (linux/filter.h).

A filter is not run, but interpreted for a system call (struct seccomp_data, linux/seccomp.h) of
which some arguments are unknown, to find all its possible answers.  Jumps lead forward only, so one
pass over the program is enough.  Where two paths join, a value that differs between them becomes
unknown.

As long as all values are known, there is one path only, which is followed quickly.  Most of a
filter just compares the number of the call.
"""

from __future__ import annotations

import operator
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

Value = int | None  # a number of 32 bits, or None: unknown
MASK = 0xFFFFFFFF
INSTRUCTION = struct.Struct("<HBBI")
DATA = 64  # bytes of struct seccomp_data
SCRATCH = 16  # words of memory
# Parts of codes: classes of instructions, where operands come from, and single operations.
LD, LDX, ST, STX, ALU, JMP, RET, MISC = range(8)
IMM, ABS, MEM, LEN = 0x00, 0x20, 0x60, 0x80
NEG, ALWAYS, FROM_X, RET_A, TXA = 0x80, 0x00, 0x08, 0x10, 0x80
ARITHMETIC: dict[int, Callable[[int, int], int]] = {
    0x00: operator.add,
    0x10: operator.sub,
    0x20: operator.mul,
    0x30: lambda a, b: a // b if b else 0,
    0x40: operator.or_,
    0x50: operator.and_,
    0x60: lambda a, b: a << b if b < 32 else 0,
    0x70: lambda a, b: a >> b if b < 32 else 0,
    0x90: lambda a, b: a % b if b else 0,
    0xA0: operator.xor,
}
TESTS: dict[int, Callable[[int, int], bool]] = {
    0x10: operator.eq,
    0x20: operator.gt,
    0x30: operator.ge,
    0x40: lambda a, b: bool(a & b),
}


# Codes of the instructions that `quickly` knows: nearly all of honest filters.
LOAD, AND, JUMP, EQUAL, GREATER, AT_LEAST, ANY_BIT = 0x20, 0x54, 0x05, 0x15, 0x25, 0x35, 0x45
SLOWER = 40  # quick instructions that take as long as any other one


class NotUnderstood(Exception):
    """A filter has an invalid instruction or jump, or takes more work than any honest one."""


@dataclass
class Effort:
    """The work left for all filters of a process together, in quick instructions."""

    left: int

    def spend(self, work: int) -> None:
        """Subtract `work` from the work left; raises NotUnderstood when nothing is left."""
        self.left -= work
        if self.left < 0:
            raise NotUnderstood("its filters are too long")


class Instruction(NamedTuple):
    """One instruction: its code, the distances to jump if true or false, and its constant."""

    code: int
    true: int
    false: int
    constant: int


@dataclass
class State:
    """The values of accumulator `a`, index register `x` and `memory` before an instruction.

    None stands for an unknown value.
    """

    a: Value
    x: Value
    memory: list[Value]

    def joined(self, other: State | None) -> State:
        """Return the values that are the same in this state and `other`, where two paths join.

        If `other` is None, returns a copy.
        """
        if other is None:
            return State(self.a, self.x, list(self.memory))
        words = [both(*pair) for pair in zip(self.memory, other.memory, strict=True)]
        return State(both(self.a, other.a), both(self.x, other.x), words)


def both(one: Value, other: Value) -> Value:
    """Return the value that both have, or None (unknown) if they differ."""
    return one if one == other else None


def parse(program: bytes) -> list[Instruction]:
    """Return the instructions of a filter, which is in the bytes that the kernel returns."""
    return [Instruction(*fields) for fields in INSTRUCTION.iter_unpack(program)]


def answers(program: list[Instruction], data: dict[int, int], effort: Effort) -> set[Value]:
    """Return all possible answers of the filter to a system call; one is None if it is unknown.

    `data` are the known words, of 32 bits, of struct seccomp_data by their offsets in bytes.
    Raises NotUnderstood, also when the work that `effort` allows is done.
    """
    try:
        begin, a, quick = quickly(program, data)
    except IndexError:
        raise NotUnderstood("a jump leads out of the program") from None
    effort.spend(quick)
    states: list[State | None] = [None] * len(program)
    states[begin] = State(a, 0, [0] * SCRATCH)
    found: set[Value] = set()
    for place in range(begin, len(program)):
        instruction, state = program[place], states[place]
        if state is None:
            continue  # no path leads here
        effort.spend(SLOWER)
        if instruction.code & 7 == RET:
            found.add(state.a if instruction.code & RET_A else instruction.constant)
            continue
        after = {place + 1 + distance for distance in steps(instruction, state, data)}
        if max(after) >= len(program):
            raise NotUnderstood("a jump leads out of the program")
        for one in after:
            alone = len(after) == 1 and states[one] is None
            states[one] = state if alone else state.joined(states[one])
    return found


def quickly(program: list[Instruction], data: dict[int, int]) -> tuple[int, int, int]:
    """Follow the only path, as long as all values are known and the instructions quick.

    Returns the index of the instruction at which that ends, the accumulator there, and the number
    of instructions read.  Raises IndexError where a jump leads out of the program.
    """
    place = a = count = 0
    while True:
        code, true, false, constant = program[place]
        count += 1
        if code == EQUAL:
            is_true = a == constant
        elif code == LOAD and constant in data:
            a, is_true, true = data[constant], True, 0
        elif code == GREATER:
            is_true = a > constant
        elif code == AT_LEAST:
            is_true = a >= constant
        elif code == JUMP:
            is_true, true = True, constant
        elif code == ANY_BIT:
            is_true = bool(a & constant)
        elif code == AND:
            a, is_true, true = a & constant, True, 0
        else:
            return place, a, count
        place += 1 + (true if is_true else false)


def steps(instruction: Instruction, state: State, data: dict[int, int]) -> Iterator[int]:
    """Apply an instruction to `state`; yield the possible distances to the next instruction.

    A distance of 0 leads to the following one.
    """
    code, kind = instruction.code, instruction.code & 7
    if kind == JMP:
        yield from jumps(instruction, state)
        return
    if kind in (LD, LDX):
        value = loaded(instruction, state, data)
        state.a, state.x = (value, state.x) if kind == LD else (state.a, value)
    elif kind in (ST, STX):
        state.memory[instruction.constant] = state.a if kind == ST else state.x
    elif kind == ALU:
        state.a = computed(instruction, state)
    elif code & TXA:
        state.a = state.x
    else:
        state.x = state.a
    yield 0


def loaded(instruction: Instruction, state: State, data: dict[int, int]) -> Value:
    """Return the value that an instruction loads, or None for an unknown one."""
    mode = instruction.code & 0xE0
    if mode == ABS:
        return data.get(instruction.constant)
    if mode == MEM:
        return state.memory[instruction.constant]
    if mode in (IMM, LEN):
        return instruction.constant if mode == IMM else DATA
    raise NotUnderstood(f"load {instruction.code:#x}")


def computed(instruction: Instruction, state: State) -> Value:
    """Return the result of an arithmetic instruction, or None for an unknown one."""
    operation = instruction.code & 0xF0
    if operation == NEG:
        return None if state.a is None else -state.a & MASK
    other = state.x if instruction.code & FROM_X else instruction.constant
    if operation not in ARITHMETIC:
        raise NotUnderstood(f"operation {instruction.code:#x}")
    if state.a is None or other is None:
        return None
    return ARITHMETIC[operation](state.a, other) & MASK


def jumps(instruction: Instruction, state: State) -> Iterator[int]:
    """Yield the possible distances of a jump: both if its condition is unknown."""
    test = instruction.code & 0xF0
    if test == ALWAYS:
        yield instruction.constant
        return
    if test not in TESTS:
        raise NotUnderstood(f"jump {instruction.code:#x}")
    other = state.x if instruction.code & FROM_X else instruction.constant
    if state.a is None or other is None:
        yield instruction.true
        yield instruction.false
    else:
        yield instruction.true if TESTS[test](state.a, other) else instruction.false
