"""The addresses of the functions of the target's C library that start a thread."""

from __future__ import annotations

import contextlib
import re

from covattach.errors import NotPossible
from covattach.process.elf import NotElf, read
from covattach.process.process import Process

# Up to glibc 2.33 they are in libpthread, and a file may have its version in its name.
LIBRARY = re.compile(r"/lib(pthread|c)[-.][^/]*$")
THREADS = (
    "pthread_attr_init",
    "pthread_attr_setstacksize",
    "pthread_attr_setdetachstate",
    "pthread_create",
)


def thread_functions(process: Process) -> dict[str, int]:
    """Return the addresses of the functions that start a thread, by name; raises NotPossible."""
    found: dict[str, int] = {}
    # `libpthread` last: `libc` only passes on a function that is in both.
    for mapping in sorted(process.mappings, key=lambda mapping: "/libpthread" in mapping.path):
        if mapping.offset or not LIBRARY.search(mapping.path.removesuffix(" (deleted)")):
            continue
        try:
            elf = read(process.open_mapped(mapping), THREADS)
            bias = elf.bias(mapping.start, mapping.offset)
        except (NotElf, OSError):
            continue
        found.update({name: bias + symbol.address for name, symbol in elf.symbols.items()})
    if missing := [name for name in THREADS if name not in found]:
        raise NotPossible(
            f"The C library of process {process.pid} has no {missing[0]} that can be found.",
            "Run the program with glibc as a shared library, as distributions do.",
        )
    return found


def is_old(process: Process) -> bool:
    """Whether the C library of `process` is glibc before 2.33, which has no function `stat`.

    False if it cannot be read.
    """
    for mapping in process.mappings:
        if not mapping.offset and "/libc" in mapping.path and LIBRARY.search(mapping.path):
            with contextlib.suppress(NotElf, OSError):
                return "stat" not in read(process.open_mapped(mapping), ("stat",)).symbols
    return False
