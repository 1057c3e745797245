"""A detour: machine code that a stopped thread is sent through, and that brings it back by itself.

When gdb calls a function, it puts a frame on the thread's stack that only gdb can take away.  If
gdb is killed then, the target dies.  Here gdb changes one register instead, the instruction
pointer, and lets the thread go.  The code saves every register, calls its functions, restores
all registers, vector registers too, and returns to the thread's own place.  Whenever gdb dies,
the thread has either not left or finds its way home.

The text is the line of Python to execute.  A new thread runs it at once, or it is armed: handed to
Py_AddPendingCall, so that the interpreter runs it at its next safe point.

A thread that was stopped in a system call needs care.  To repeat the call, the kernel moves the
instruction pointer back by two bytes, unless a signal is to be handled first
(arch/x86/kernel/signal.c).
So the thread is sent to two bytes behind the first entry.  Moved back, it arrives at the first,
`entry`, which returns to the system call, with `rax` as the kernel wants it.  If it was not moved,
it arrives at the second, which returns to the very place.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from covattach.errors import NotNow, NotPossible
from covattach.injector.x86_64.code_caves import code_caves, data_caves
from covattach.injector.x86_64.machine_code import BEHIND, CODE, UNDO
from covattach.process.interpreter import Interpreter
from covattach.process.libc import THREADS, thread_functions
from covattach.process.memory import Memory
from covattach.process.process import Process

# The data of the code, `block` in the listing: state, whether a thread may be started at once, the
# address to return to; result, and the return value of its function; addresses of the saved
# registers, on the thread's stack and on ours; our stack, the mask of blocked signals; number of
# waits for the line, and whether it is over; stack size of our thread; addresses of 13 functions;
# address of the text, for which there is more room behind code than behind data; MAGIC.
BLOCK = struct.Struct("<iiQiiQQQQiiQ13QQ8s")
MAGIC = b"covattac"  # at the end of a block
MARK = b"#covattach\n"  # at the beginning of a text
LENGTH = 1024  # bytes of a text at most: `thread` in the listing copies so many
PLACED, INSIDE, HOME = 0, 1, 2  # states
NOTHING, STARTED, ARMED, ABSENT, NO_STACK = 0, 1, 2, 3, 4  # results
# The 13 functions in the block.  A thread is started at once only where the one that is sent does
# not have the GIL.  `PyGILState_Check` tells that, but returns 1 for every thread once there was a
# subinterpreter.  Then the third tells: it returns the state of the thread that has the GIL, and
# NULL if none has, or from 3.12 on if this thread has not.
ORDER = (
    "Py_IsInitialized",
    "PyGILState_Check",
    "PyThreadState_GetUnchecked",
    "Py_AddPendingCall",
    "PyGILState_Ensure",
    "PyRun_SimpleString",
    "PyGILState_Release",
    "PyEval_SaveThread",
    "PyEval_RestoreThread",
    *THREADS,
)
STACK = 1 << 21  # bytes for the thread that runs the text: enough for a thousand frames of 3.9
# How many times the application's thread waits 0.2 ms for the line at most.  From 3.12 on it
# matters: until the line has run, a fork would find a thread that it warns of
# (Modules/posixmodule.c, warn_about_fork_with_threads).
TURNS = 250


@dataclass(frozen=True)
class Detour:
    """The code, its block of data and the text to execute: three addresses in the target.

    `functions` are the addresses of those in ORDER, and `turns` as TURNS, or 0.
    """

    code: int
    block: int
    text: int
    functions: tuple[int, ...]
    turns: int

    @property
    def entry(self) -> int:
        """The address that gdb sends a thread to."""
        return self.code + BEHIND

    @property
    def way_out(self) -> int:
        """The address to send a thread to that is stuck while it arms the text."""
        return self.code + UNDO + BEHIND

    def has(self, address: int) -> bool:
        """Whether `address`, the instruction pointer of a thread, is in the code of the detour."""
        return self.code <= address < self.code + len(CODE)

    def place(self, memory: Memory, text: bytes, back: int, run: bool) -> None:
        """Write code, block and `text` for a stopped thread that is to return to address `back`.

        `run` is whether a thread that runs the text may be started at once, if this one does not
        have the GIL.  Raises NotPossible where a security policy lets nobody write where code lies.
        """
        fields = (PLACED, run, back, NOTHING, 0, 0, 0, 0, 0, self.turns, 0, STACK)
        content = MARK + text
        try:
            memory.write(self.text, content + bytes(LENGTH - len(content)))
            memory.write(self.block, BLOCK.pack(*fields, *self.functions, self.text, MAGIC))
            memory.write(self.code, CODE + struct.pack("<Q", self.block))
        except OSError as error:
            # SELinux's execmod, or the kernel's proc_mem.force_override
            raise NotPossible(
                f"This system lets nobody write where code lies in another process ({error}).",
                "Use another method: `--method pyrasite`; on Python 3.14 `--method remote-exec`.",
            ) from None

    def state(self, memory: Memory) -> int:
        """Return the state of the thread that was sent: PLACED, INSIDE or HOME."""
        return int(BLOCK.unpack(memory.read(self.block, BLOCK.size))[0])

    def is_arming(self, memory: Memory) -> bool:
        """Whether the thread is inside, and was not to start a thread, but to arm the text."""
        state, run, *_ = BLOCK.unpack(memory.read(self.block, BLOCK.size))
        return state == INSIDE and not run

    def result(self, memory: Memory) -> tuple[int, int]:
        """Return the result (NOTHING to NO_STACK), and the return value of its function."""
        fields = BLOCK.unpack(memory.read(self.block, BLOCK.size))
        return int(fields[3]), int(fields[4])

    def clear(self, memory: Memory) -> None:
        """Clear the text: a thread that waits for the GIL, or armed code, finds nothing to run.

        The block is cleared only when the thread is home: it needs the block to return.  Readers
        copy the block, and then check its last bytes: so these are cleared first.
        """
        if memory.read(self.text, len(MARK)) == MARK:
            memory.write(self.text, bytes(LENGTH))
        if memory.read(self.block, BLOCK.size).endswith(MAGIC) and self.state(memory) == HOME:
            memory.write(self.block + BLOCK.size - len(MAGIC), bytes(len(MAGIC)))
            memory.write(self.block, bytes(BLOCK.size))


def find(process: Process, interpreter: Interpreter, memory: Memory) -> Detour:
    """Find room for a detour in the target; nothing is written.  Raises NotPossible.

    The room of an earlier detour is used again, as the code is the same.  Raises NotNow if a thread
    is still inside of that.
    """
    refuse_unfit(process)
    known = {**interpreter.functions, **thread_functions(process)}
    functions = tuple(known[name] for name in ORDER)
    turns = TURNS if interpreter.version >= (3, 12) else 0
    size = len(CODE) + 8
    code = first(code_caves(process, interpreter, size), memory, size, process)
    block = first(data_caves(process, interpreter, BLOCK.size), memory, BLOCK.size, process)
    both = (start + size for start in code_caves(process, interpreter, size + LENGTH))
    alone = (start for start in code_caves(process, interpreter, LENGTH) if start != code)
    text = first(chain(both, alone), memory, LENGTH, process)
    return Detour(code, block, text, functions, turns)


def refuse_unfit(process: Process) -> None:
    """Raise NotPossible on a processor, or for a process, on which the detour cannot work."""
    if "shstk" in process.status.get("x86_Thread_features", ""):
        raise NotPossible(
            f"Process {process.pid} runs with a shadow stack, which gdb's way in would violate.",
            "Start it without: GLIBC_TUNABLES=glibc.cpu.x86_shstk=off.",
        )
    if " xsave " not in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace"):
        raise NotPossible(
            "The processor has no instruction to save all registers (xsave).",
            "On Python 3.14 and later use `--method remote-exec`.",
        )


def first(rooms: Iterator[int], memory: Memory, size: int, process: Process) -> int:
    """Return the first of the addresses `rooms` that is unused, or that an earlier detour has used.

    Each has `size` bytes.  Raises NotNow if a thread is still inside of that detour, and
    NotPossible if there is no such room.
    """
    for address in rooms:
        try:
            content = memory.read(address, size)
        except OSError:
            continue
        if content == bytes(size) or content.startswith((CODE, MARK)):
            return address
        if content.endswith(MAGIC):
            if struct.unpack_from("<i", content)[0] == INSIDE:
                raise still_inside(process)
            return address
    raise NotPossible(
        f"There is no unused memory in process {process.pid} for the line to execute.",
        "Use another method: `--method pyrasite`, or `--method remote-exec` on Python 3.14.",
    )


def still_inside(process: Process) -> NotNow:
    """Return the error for a main thread that has not come back from an earlier attach."""
    return NotNow(
        f"The main thread of process {process.pid} has still to finish an earlier attach.",
        "Try again in a moment: it waits for its turn to run Python.",
    )
