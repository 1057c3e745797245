"""Code caves: unused memory in the mapped files of a target, so that none has to be allocated.

To allocate, a function would have to be called in a thread that may be inside the allocator.  But
the last page of a mapped file's code, and of its data, is seldom full (`ElfFile.slack`).
"""

from __future__ import annotations

from collections.abc import Iterator

from covattach.errors import NotPossible
from covattach.process.elf import ElfFile, NotElf
from covattach.process.interpreter import Interpreter
from covattach.process.memory_map import Mapping
from covattach.process.process import Process

GAP = 16  # bytes left free between the used ones and ours


def data_caves(process: Process, interpreter: Interpreter, size: int) -> Iterator[int]:
    """Yield addresses of `size` unused bytes behind the data of the mapped files.

    Raises NotPossible for musl, whose allocator gives such memory away.
    """
    if any("/ld-musl" in mapping.path for mapping in process.mappings):
        raise NotPossible(
            f"Process {process.pid} uses musl, whose allocator gives such memory away.",
            "Run the program on an interpreter built for glibc to measure it.",
        )
    return caves(process, interpreter, size, "w")


def code_caves(process: Process, interpreter: Interpreter, size: int) -> Iterator[int]:
    """Yield addresses of `size` unused bytes behind the code of the mapped files."""
    return caves(process, interpreter, size, "x")


def caves(process: Process, interpreter: Interpreter, size: int, permission: str) -> Iterator[int]:
    """Yield addresses of `size` unused bytes behind mappings, the interpreter's own first.

    `permission` is "w" for data, "x" for code.
    """
    seen = set()
    for mapping in sorted(process.mappings, key=lambda mapping: mapping.path != interpreter.path):
        known = mapping.path == interpreter.path or is_code(mapping)
        if mapping.path in seen or permission not in mapping.permissions or not known:
            continue
        seen.add(mapping.path)
        try:
            elf = ElfFile(process.open_mapped(mapping), ())
            slack = elf.slack(permission)
            if slack is not None and slack[1] >= size + GAP:
                yield slack[0] + elf.bias(mapping.start, mapping.offset) + GAP
        except (NotElf, OSError):
            continue


def is_code(mapping: Mapping) -> bool:
    """Whether `mapping` is of a library or a Python program, and not of the dynamic loader.

    The loader uses the unused end of its own memory itself.
    """
    name = ".so" in mapping.path or "/python" in mapping.path
    return mapping.path.startswith("/") and name and "/ld-" not in mapping.path
