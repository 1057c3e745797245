"""The state of CPython in a process, read from `_PyRuntime`: whether it is initialised, and more.

A process may have libpython loaded and no Python running: not yet, or not any more.  No function of
the C API may be called then, and none is needed.  `Py_IsInitialized` reads one word, whose offset
is fixed in each minor version (Include/internal/pycore_runtime.h).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from covattach.errors import NotNow, NotPossible
from covattach.process.interpreter import COOKIE, Interpreter
from covattach.process.memory import Memory, open_memory
from covattach.process.process import Process

# Offsets in bytes in `_PyRuntime` of `initialized`, `_finalizing` and `interpreters.head`.  From
# 3.13 on, _Py_DebugOffsets at its start has the last two, and the first is the word before.
PLACES = {(3, 9): (12, 16, 32), (3, 10): (12, 16, 32), (3, 11): (16, 24, 40), (3, 12): (16, 24, 40)}
OFFSETS = struct.Struct("<9Q")
FINALIZING, HEAD, NEXT = 4, 5, 8  # indices of words of _Py_DebugOffsets
MOST = 10_000  # interpreters in a process


@dataclass(frozen=True)
class Runtime:
    """The `_PyRuntime` of one process: the addresses of the members that we read.

    `next` is the offset of that member in an interpreter's state.
    """

    memory: Memory
    initialized: int
    finalizing: int
    head: int
    next: int

    @classmethod
    def of(cls, memory: Memory, interpreter: Interpreter) -> Runtime:
        """Return the Runtime of `interpreter`; raises OSError if `memory` has unknown content."""
        start = interpreter.runtime
        if interpreter.version in PLACES:
            initialized, finalizing, head = PLACES[interpreter.version]
            return cls(memory, start + initialized, start + finalizing, start + head, 0)
        table = memory.read(start, OFFSETS.size)
        if not table.startswith(COOKIE):
            raise OSError("_PyRuntime does not begin with the offsets for debuggers")
        words = OFFSETS.unpack(table)
        finalizing, head = start + words[FINALIZING], start + words[HEAD]
        return cls(memory, finalizing - 8, finalizing, head, words[NEXT])

    def is_initialized(self) -> bool:
        """Whether `Py_IsInitialized` would return true."""
        return self.memory.read(self.initialized, 4) != bytes(4)

    def is_finalizing(self) -> bool:
        """Whether `Py_FinalizeEx` has begun, or is over."""
        return self.memory.word(self.finalizing) != 0

    def subinterpreters(self) -> int:
        """Return the number of interpreters beside the main one."""
        return max(sum(1 for _ in self.interpreters()) - 1, 0)

    def interpreters(self) -> Iterator[int]:
        """Yield the addresses of the interpreters' states, at most MOST; raises OSError."""
        state = self.memory.word(self.head)
        for _ in range(MOST):
            if not state:
                return
            yield state
            state = self.memory.word(state + self.next)


def check_python(process: Process, interpreter: Interpreter) -> None:
    """Raise NotNow for a process whose libpython is loaded, but runs no Python.

    It is not initialised yet, or is finalised.  Raises NotPossible if that cannot be read.
    """
    try:
        with open_memory(process) as memory:
            runtime = Runtime.of(memory, interpreter)
            there, ending = runtime.is_initialized(), runtime.is_finalizing()
    except OSError as error:
        process.read_start_time()  # raises NoTarget if it has ended
        raise NotPossible(
            f"Whether there is a Python in process {process.pid} cannot be read ({error}).",
            "Restart the program: its file may have been replaced or damaged.",
        ) from None
    if ending:
        raise no_python_any_more(process)
    if not there:
        raise no_python_yet(process)


def no_python_yet(process: Process) -> NotNow:
    """Return the error for a program that has not initialised its Python, or is about to."""
    return NotNow(
        f"There is no Python in process {process.pid} yet: its library is loaded, and not used.",
        "Attach once the program has run some Python; of a server, to a worker (`covattach ps`).",
    )


def no_python_any_more(process: Process) -> NotNow:
    """Return the error for a program that has finalised its Python, or is about to."""
    return NotNow(
        f"There is no Python in process {process.pid} any more: it is finalised, or about to be.",
        "Attach while the program runs Python; look for others with `covattach ps`.",
    )


def subinterpreters(process: Process, interpreter: Interpreter) -> int:
    """Return the number of subinterpreters; 0 where that cannot be read."""
    try:
        with open_memory(process) as memory:
            return Runtime.of(memory, interpreter).subinterpreters()
    except OSError:
        return 0


def not_measured(process: Process, interpreter: Interpreter) -> list[str]:
    """Return a list of one warning that subinterpreters are not measured; [] if there are none."""
    others = subinterpreters(process, interpreter)
    if others == 1:
        return [f"Process {process.pid} has a subinterpreter: what runs in it is not measured."]
    if others:
        said = f"has {others} subinterpreters: what runs in them is not measured."
        return [f"Process {process.pid} {said}"]
    return []
