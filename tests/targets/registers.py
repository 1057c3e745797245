"""Keeps a pattern in all registers, and ends with status 99 if one of them has changed.

Meanwhile the thread, without the GIL, runs a loop, or waits in a system call, `poll`.  The call is
made without the C library's function, which might save registers too.  The machine code is made
here: loads of all registers, the loop or the call, and stores.  Used by states.py.
"""

import ctypes
import itertools
import mmap
import os
import struct
from pathlib import Path

TURNS = 2_000_000  # of the loop: some 20 ms
MILLISECONDS = 200  # of each wait
CPU = Path("/proc/cpuinfo").read_text().partition("flags")[2].partition("\n")[0].split()
WIDTH, COUNT = (64, 32) if "avx512bw" in CPU else (32, 16) if "avx" in CPU else (16, 16)
MASKS = 7 if WIDTH == 64 else 0
KEPT = (3, 5, 8, 9, 10, 12, 13, 14, 15)  # rbx, rbp, r8 to r10, r12 to r15
PUSH = bytes.fromhex("5355415441554156415756")  # rbx, rbp, r12 to r15, rsi: where to store
CLEAR = bytes.fromhex("c5fc77") if WIDTH > 16 else b""  # vzeroall: none of them is in use
POP = bytes.fromhex("415f415e415d415c5d5b")
SPIN = b"\xb8" + struct.pack("<i", TURNS) + bytes.fromhex("f390 ffc8 75fa")  # pause, dec eax, jnz
POLL = bytes.fromhex("b807000000 31ff 31f6 ba") + struct.pack("<i", MILLISECONDS) + b"\x0f\x05"


def vector(number, store):
    """Return the machine code that moves a vector register from its place behind rdi, or to it."""
    operation, field = bytes([0x7F if store else 0x6F]), 0x87 | (number & 7) << 3
    place = struct.pack("<i", number * WIDTH)
    low = 0 if number & 8 else 0x80
    if WIDTH == 64:  # vmovdqu64: EVEX, with a displacement of 32 bits
        prefix = bytes([0x62, low | 0x61 | (0 if number & 16 else 0x10), 0xFE, 0x48])
    elif WIDTH == 32:  # vmovdqu: VEX
        prefix = bytes([0xC5, low | 0x7E])
    else:  # movdqu
        prefix = bytes([0xF3, *([0x44] if number & 8 else []), 0x0F])
    return prefix + operation + bytes([field]) + place


def mask(number, store):
    """Return the kmovq that moves a mask register from its place behind rdi, or to it."""
    place = struct.pack("<i", COUNT * WIDTH + 8 * number)
    return bytes([0xC4, 0xE1, 0xF8, 0x91 if store else 0x90, 0x87 | number << 3]) + place


def general(number, store):
    """Return the mov of a general register from its place behind rdi, or to it."""
    place = struct.pack("<i", COUNT * WIDTH + 64 + 8 * number)
    prefix = 0x4C if number & 8 else 0x48
    return bytes([prefix, 0x89 if store else 0x8B, 0x87 | (number & 7) << 3]) + place


def moves(first, store):
    """Return the code to load, or to `store`, the vector registers from `first` on.

    The mask registers are among them if `first` is 0, and the general ones always.
    """
    code = b"".join(vector(number, store) for number in range(first, COUNT))
    code += b"".join(mask(number, store) for number in range(1, MASKS + 1) if not first)
    return code + b"".join(general(number, store) for number in KEPT)


def function(first, middle):
    """Return a C function that loads registers, runs the code `middle`, and stores them.

    Its arguments are two addresses: of the values to load, and of the room to store them in.  The
    memory with its code is returned too, and must be kept.
    """
    code = PUSH + CLEAR + moves(first, store=False) + middle
    code += b"\x5f" + moves(first, store=True) + CLEAR + POP + b"\xc3"  # pop rdi, ret
    memory = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    memory.write(code)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    return ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(address), memory


def covered(first):
    """Yield the offsets of all bytes that are loaded, if vector registers are from `first` on."""
    behind = COUNT * WIDTH
    yield from range(first * WIDTH, behind)
    if not first:
        yield from range(behind + 8, behind + 8 + 8 * MASKS)
    for number in KEPT:
        yield from range(behind + 64 + 8 * number, behind + 72 + 8 * number)


def keep(middle):
    """Load, run `middle` (SPIN or POLL), store and compare, for ever; end if a byte differs.

    Every other time the lower half of the vector registers is not in use.  The processor then saves
    the others alone, as in glibc's memcpy, and gdb 13 makes an error.
    """
    turns = [(*function(first, middle), *areas(first)) for first in (0, COUNT // 2)]
    for hold, _, loaded, stored in itertools.cycle(turns):
        hold(ctypes.addressof(loaded), ctypes.addressof(stored))
        wrong = [at for at, byte in enumerate(stored.raw) if byte != loaded.raw[at]]
        if wrong:
            os.write(1, f"harm: {len(wrong)} bytes differ, from {wrong[0]} on\n".encode())
            os._exit(99)


def areas(first):
    """Return two buffers: the pattern, with zeros where nothing is loaded, and one of zeros."""
    size = COUNT * WIDTH + 64 + 8 * 16
    loaded, stored = ((ctypes.c_char * size)() for _ in range(2))
    for at in covered(first):
        loaded[at] = at % 251 + 1
    return loaded, stored
