"""Gives the debugger that attaches to it names of files of its choice: naming.py KIND [NAME].

KIND is where NAME is put: `libraries`, in the dynamic linker's list of libraries, or `debug`, in
the vDSO, as the file with its debugging information.  Without a name, `long` claims a vDSO of 1.5
GB, and `nothing` changes nothing.  Used by attacks/test_bounds.py and test_debugger.py.
"""

import ctypes
import os
import struct
import sys
import time

libc = ctypes.CDLL(None)
libc.mmap.restype = libc.sbrk.restype = ctypes.c_void_p
long = ctypes.c_long
NAME = 8  # the offset of the name in a `struct link_map` (link.h)
PR_SET_MM, PR_SET_MM_MAP = 35, 14
AT_SYSINFO_EHDR = 33
PAGE = 4096


class Library(ctypes.Structure):
    """An entry of the dynamic linker's list: `struct link_map`."""


Library._fields_ = [
    ("address", ctypes.c_size_t),
    ("name", ctypes.c_char_p),
    ("dynamic", ctypes.c_void_p),
    ("next", ctypes.POINTER(Library)),
]


def rename_libraries(name):
    """Give all libraries, in the list that begins with the program, the name at an address."""
    libc.dlopen.restype = ctypes.POINTER(Library)
    one = libc.dlopen(None, os.RTLD_LAZY)
    while one:
        ctypes.c_void_p.from_address(ctypes.addressof(one.contents) + NAME).value = name
        one = one.contents.next


def vdso(size, sections=b"", count=0):
    """Return the head of an ELF file of `size` bytes, with one segment, and `count` sections."""
    header = b"\x7fELF\2\1\1".ljust(16, b"\0")
    table = (64 + 56) if count else 0
    header += struct.pack("<HHIQQQIHHH", 3, 62, 1, 0, 64, table, 0, 64, 56, 1)
    header += struct.pack("<HHH", 64, count, max(count - 1, 0))
    return header + struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, size, size, PAGE) + sections


def linked(name):
    """Return a vDSO whose debugging information is in the file `name`, by its .gnu_debuglink."""
    names = b"\0.text\0.gnu_debuglink\0.shstrtab\0"
    link = name.encode() + b"\0"
    link += bytes(-len(link) % 4) + bytes(4)
    start = 64 + 56 + 4 * 64
    sections = bytes(64)  # name, kind, flags, address, place, size, link, info, alignment, entry
    sections += struct.pack("<IIQQQQIIQQ", 1, 1, 6, 2048, 2048, 64, 0, 0, 1, 0)
    sections += struct.pack("<IIQQQQIIQQ", 7, 1, 0, 0, start, len(link), 0, 0, 4, 0)
    place = start + len(link)
    sections += struct.pack("<IIQQQQIIQQ", 22, 3, 0, 0, place, len(names), 0, 0, 1, 0)
    return vdso(PAGE, sections + link + names, 4)


def tell_of_vdso(content, size):
    """Have the kernel report a vDSO with this content and size (PR_SET_MM_MAP of prctl(2))."""
    place = libc.mmap(None, long(size), 3, 0x4022, -1, long(0))
    ctypes.memmove(place, content, len(content))
    with open("/proc/self/auxv", "rb") as file:
        words = list(struct.iter_unpack("<QQ", file.read()))
    words = [(kind, place if kind == AT_SYSINFO_EHDR else value) for kind, value in words]
    told = ctypes.create_string_buffer(b"".join(struct.pack("<QQ", *word) for word in words))
    with open("/proc/self/stat") as file:
        stat = [0, 0, *file.read().rpartition(")")[2].split()]
    code, (data, end, brk, *strings) = map(int, stat[25:27]), map(int, stat[44:51])
    memory = [*code, data, end, brk, libc.sbrk(long(0)), int(stat[27]), *strings]
    memory = struct.pack("<12QIi", *memory, ctypes.addressof(told), 16 * len(words), -1)
    asked = long(PR_SET_MM_MAP), memory, long(len(memory)), long(0)
    assert libc.prctl(PR_SET_MM, *asked) == 0


kind, *names = sys.argv[1:]
if kind == "libraries":
    kept = ctypes.create_string_buffer(os.fsencode(names[0]))
    rename_libraries(ctypes.addressof(kept))
elif kind == "debug":
    tell_of_vdso(linked(names[0]), PAGE)
elif kind == "long":
    tell_of_vdso(vdso(3 << 29), 3 << 29)
print("ready", flush=True)
while True:
    time.sleep(0.01)
