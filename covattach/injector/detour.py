"""A detour: machine code that a stopped thread is sent through, and that brings it back by itself.

When gdb calls a function, it puts a frame on the thread's stack that only gdb can take away: if
it is killed then, the target dies.  Here gdb changes one register instead, the instruction
pointer, and lets the thread go.  The code keeps every register, calls what is to be called, puts
everything back, vector registers too, and returns to where the thread was.  Whenever gdb dies,
the thread has either not left or finds its way home.

A thread that was stopped in a system call needs care: the kernel repeats the call by moving the
instruction pointer back by two bytes, unless a signal is to be handled first
(arch/x86/kernel/signal.c).
So the thread is sent to two bytes behind the first entry.  Moved back, it arrives at the first,
`entry`, which returns to the system call, with `rax` as the kernel wants it; if it was not, at
the second, which returns to the very place.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from covattach.errors import NotNow, NotPossible
from covattach.injector.rooms import code_rooms, data_rooms
from covattach.target.interpreter import Interpreter
from covattach.target.memory import Memory
from covattach.target.process import Process

LISTING = """
# entry:
eb17                 jmp again
488da42478ffffff     lea rsp,[rsp-0x88]
9c                   pushf
50                   push rax
488b0509010000       mov rax,[rip+0x109]
488b4008             mov rax,[rax+0x8]
eb19                 jmp save
# again:
488da42478ffffff     lea rsp,[rsp-0x88]
9c                   pushf
50                   push rax
488b05f2000000       mov rax,[rip+0xf2]
488b4008             mov rax,[rax+0x8]
488d40fe             lea rax,[rax-0x2]
# save:
4889442410           mov [rsp+0x10],rax
53                   push rbx
51                   push rcx
52                   push rdx
56                   push rsi
57                   push rdi
55                   push rbp
4150                 push r8
4151                 push r9
4152                 push r10
4153                 push r11
4154                 push r12
4155                 push r13
4156                 push r14
4157                 push r15
fc                   cld
4c8b25c7000000       mov r12,[rip+0xc7]
41c7042401000000     mov [r12],0x1
4889e5               mov rbp,rsp
31c9                 xor ecx,ecx
b80d000000           mov eax,0xd
0fa2                 cpuid
4829dc               sub rsp,rbx
4883e4c0             and rsp,0xffffffffffffffc0
4c89e3               mov rbx,r12
488dbc2400020000     lea rdi,[rsp+0x200]
31c0                 xor eax,eax
8d4808               lea ecx,[rax+0x8]
f348ab               rep stos es:[rdi],rax
83c8ff               or eax,0xffffffff
83caff               or edx,0xffffffff
480fae2424           xsave64 [rsp]
4989e5               mov r13,rsp
48896b18             mov [rbx+0x18],rbp
4c896b20             mov [rbx+0x20],r13
837b0400             cmp [rbx+0x4],0x0
7423                 je arm
ff5328               call [rbx+0x28]
85c0                 test eax,eax
751c                 jne arm
ff5330               call [rbx+0x30]
4189c6               mov r14d,eax
488b7b50             mov rdi,[rbx+0x50]
ff5338               call [rbx+0x38]
4489f7               mov edi,r14d
ff5340               call [rbx+0x40]
c7431001000000       mov [rbx+0x10],0x1
eb15                 jmp out
# arm:
488b7b38             mov rdi,[rbx+0x38]
488b7350             mov rsi,[rbx+0x50]
ff5348               call [rbx+0x48]
c7431002000000       mov [rbx+0x10],0x2
894314               mov [rbx+0x14],eax
# out:
4c89ec               mov rsp,r13
83c8ff               or eax,0xffffffff
83caff               or edx,0xffffffff
480fae2c24           xrstor64 [rsp]
c70302000000         mov [rbx],0x2
4889ec               mov rsp,rbp
415f                 pop r15
415e                 pop r14
415d                 pop r13
415c                 pop r12
415b                 pop r11
415a                 pop r10
4159                 pop r9
4158                 pop r8
5d                   pop rbp
5f                   pop rdi
5e                   pop rsi
5a                   pop rdx
59                   pop rcx
5b                   pop rbx
58                   pop rax
9d                   popf
c28000               ret 0x80
# undo:
90                   nop
90                   nop
488b1d0a000000       mov rbx,[rip+0xa]
488b6b18             mov rbp,[rbx+0x18]
4c8b6b20             mov r13,[rbx+0x20]
ebbb                 jmp out
"""
CODE = bytes.fromhex("".join(line[:20] for line in LISTING.splitlines() if line[:1] != "#"))
BEHIND = 2  # bytes by which the kernel moves back
UNDO = len(CODE) - 19  # the place of `undo`

# What the code reads and writes, `block` in the listing: state, whether to run or to arm, where to
# return to, the result, two places on the stack, five functions, and the text for them.
BLOCK = struct.Struct("<iiQiiQQ5QQ8s")
MAGIC = b"covattac"
ROOM = 384
PLACED, INSIDE, HOME = 0, 1, 2  # states
NOTHING, RAN, ARMED = 0, 1, 2  # results
ORDER = (
    "PyGILState_Check",
    "PyGILState_Ensure",
    "PyRun_SimpleString",
    "PyGILState_Release",
    "Py_AddPendingCall",
)


@dataclass(frozen=True)
class Detour:
    """The code and its block: two addresses in the target."""

    code: int
    block: int

    @property
    def entry(self) -> int:
        """Where to send a thread."""
        return self.code + BEHIND

    @property
    def way_out(self) -> int:
        """Where to send a thread that is stuck in what it arms."""
        return self.code + UNDO + BEHIND

    def has(self, address: int) -> bool:
        """Whether a thread at this instruction is on the detour."""
        return self.code <= address < self.code + len(CODE)

    def place(
        self, memory: Memory, functions: dict[str, int], text: bytes, back: int, run: bool
    ) -> None:
        """Write code and block for a thread that is stopped, and is to return to `back`.

        `run` is whether the text may be run in this thread at once, if it does not have the GIL.
        Raises NotPossible where a security policy lets nobody write where code lies.
        """
        addresses = [functions[name] for name in ORDER]
        where = self.block + BLOCK.size
        fields = (PLACED, run, back, NOTHING, 0, 0, 0, *addresses, where, MAGIC)
        try:
            memory.write(self.block, BLOCK.pack(*fields) + text + b"\0")
            memory.write(self.code, CODE + struct.pack("<Q", self.block))
        except OSError as error:
            # SELinux's execmod, or the kernel's proc_mem.force_override
            raise NotPossible(
                f"This system lets nobody write where code lies in another process ({error}).",
                "Use another method: `--method pyrasite`; on Python 3.14 `--method remote-exec`.",
            ) from None

    def state(self, memory: Memory) -> int:
        """Return how far the thread has come."""
        return int(BLOCK.unpack(memory.read(self.block, BLOCK.size))[0])

    def is_arming(self, memory: Memory) -> bool:
        """Whether the thread is inside, and has not been asked to run the text at once."""
        state, run, *_ = BLOCK.unpack(memory.read(self.block, BLOCK.size))
        return state == INSIDE and not run

    def result(self, memory: Memory) -> tuple[int, int]:
        """Return what was done, and what `Py_AddPendingCall` returned."""
        fields = BLOCK.unpack(memory.read(self.block, BLOCK.size))
        return int(fields[3]), int(fields[4])

    def clear(self, memory: Memory) -> None:
        """Clear the text: a call that is armed still finds an empty string to run.

        Nothing else of it is touched unless the thread is home: it would not find back.
        """
        content = memory.read(self.block, ROOM)
        if content[BLOCK.size - len(MAGIC) :].startswith(MAGIC):
            memory.write(self.block + BLOCK.size, bytes(ROOM - BLOCK.size))
            if self.state(memory) == HOME:
                memory.write(self.block, bytes(BLOCK.size))


def find(process: Process, interpreter: Interpreter, memory: Memory) -> Detour:
    """Return a detour for which there is room; raises NotPossible, NotNow where one is in use.

    What was left there by one of us is used again: the code is the same.
    """
    refuse_unfit(process)
    size = len(CODE) + 8
    code = first(code_rooms(process, interpreter, size), memory, size, process)
    block = first(data_rooms(process, interpreter, ROOM), memory, ROOM, process)
    return Detour(code, block)


def refuse_unfit(process: Process) -> None:
    """Raise NotPossible where the code could not do what it does."""
    if "shstk" in process.status.get("x86_Thread_features", ""):
        raise NotPossible(
            f"Process {process.pid} runs with a shadow stack, which gdb's way in would violate.",
            "Start it without: GLIBC_TUNABLES=glibc.cpu.x86_shstk=off.",
        )
    if " xsave " not in Path("/proc/cpuinfo").read_text():
        raise NotPossible(
            "The processor has no instruction to save all registers (xsave).",
            "On Python 3.14 and later use `--method remote-exec`.",
        )


def first(rooms: Iterator[int], memory: Memory, size: int, process: Process) -> int:
    """Return the first address of `size` bytes that nobody uses, or that one of us has used."""
    for address in rooms:
        try:
            content = memory.read(address, size)
        except OSError:
            continue
        if content == bytes(size) or content.startswith(CODE):
            return address
        if content[BLOCK.size - len(MAGIC) :].startswith(MAGIC):
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
