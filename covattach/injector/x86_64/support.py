"""Support for a machine: the programs that gdb is used on, and the names of their registers.

A second machine has a folder like this one, with a detour, machine code and registers of its own.
"""

from __future__ import annotations

from pathlib import Path

from covattach.errors import NotPossible
from covattach.process.interpreter import Interpreter
from covattach.process.process import Process

MACHINE = "EM_X86_64"  # as ELF files name it
REGISTERS = Path(__file__).with_name("registers.xml")  # those that gdb is to access
# Registers: the instruction pointer, and the address of the C library's block about a thread.
PROGRAM_COUNTER, THREAD_BLOCK = "rip", "fs_base"


def is_supported(interpreter: Interpreter) -> bool:
    """Whether the program that `interpreter` is in is one for this machine."""
    return interpreter.machine == MACHINE


def check(process: Process, interpreter: Interpreter) -> None:
    """Raise NotPossible if the program that `interpreter` is in is not for this machine."""
    if not is_supported(interpreter):
        raise NotPossible(
            f"Process {process.pid} is not an x86-64 program, the only ones that gdb is used on.",
            "On Python 3.14 and later use `--method remote-exec`.",
        )
