"""Symbols and sections of an ELF file, from the tables that the dynamic loader itself uses.

Only `.dynsym` is needed, which no `strip` removes, so a stripped interpreter is as good as any.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from elftools.elf.elffile import ELFFile
from elftools.elf.hash import GNUHashTable

from covattach.budget import limited
from covattach.process import plain_files

PAGE = 4096
HONEST = 0.2  # seconds of CPU: a shared libpython takes 0.03
MOST_SEGMENTS = 256  # a linker makes a dozen
MOST_SECTIONS = 4096  # a linker makes forty
MOST_BUCKETS = 1 << 18  # of the hash table of symbols: libpython has 2,000


class NotElf(Exception):
    """The file is not an ELF file that can be read."""


@dataclass(frozen=True)
class Symbol:
    """A symbol of a file: its address before relocation, and its size, both in bytes."""

    address: int
    size: int


@dataclass(frozen=True)
class Segment:
    """A PT_LOAD segment: file offset, address before relocation, sizes in file and memory."""

    offset: int
    address: int
    file_size: int
    memory_size: int
    permissions: str


class ElfFile:
    """The segments and symbols of one ELF file, which is read once, and closed."""

    def __init__(self, path: Path, names: Iterable[str]) -> None:
        """Look the symbols `names` up in the file at `path`; raises NotElf, OSError."""
        self.path = path
        with plain_files.opened(path) as file:
            try:
                with limited(f"The ELF file {path}", HONEST):
                    elf = ELFFile(file)
                    check_counts(elf)
                    self.machine: str = elf.header["e_machine"]
                    self.segments = load_segments(elf)
                    self.symbols = find_symbols(elf, names)
                    self.runtime_section = section_address(elf, ".PyRuntime")
            except Exception as error:
                # pyelftools lets a damaged file surface in all ways: also as a division by zero.
                raise NotElf(f"{path}: {error!r}") from error

    def slack(self, permission: str) -> tuple[int, int] | None:
        """Return the address and size of the unused rest of a segment's last page, or None.

        The segment is the first with `permission`: "w" for data, "x" for code.  The address is
        before relocation.  Behind code there should be only the linker's padding: the caller must
        check that.  The kernel maps whole pages, and clears the bytes behind `.bss`
        (fs/binfmt_elf.c, padzero; the loader of glibc does the same).  That memory belongs to the
        file, and nobody uses it.
        """
        for segment in self.segments:
            if permission in segment.permissions:
                end = segment.address + segment.memory_size
                return end, -end % PAGE
        return None

    def bias(self, start: int, offset: int) -> int:
        """Return the load bias: the difference between an address in memory and that in the file.

        `start` is a mapping's address and `offset` its offset in the file, both page-aligned.
        Raises NotElf where no segment has that offset.
        """
        for segment in self.segments:
            if segment.offset & ~0xFFF <= offset < segment.offset + max(segment.file_size, 1):
                return start - offset - (segment.address - segment.offset)
        raise NotElf(f"{self.path}: nothing is loaded from offset {offset:#x}")


def read(path: Path, names: tuple[str, ...]) -> ElfFile:
    """Return the ElfFile at `path` with its symbols `names`; each file is read only once.

    Hundreds of processes may run the same interpreter, each known by a path of its own: files are
    told apart by inode.  Raises NotElf, OSError.
    """
    facts = path.stat()
    key = (facts.st_dev, facts.st_ino, facts.st_mtime_ns, names)
    if key not in KNOWN:
        try:
            KNOWN[key] = ElfFile(path, names)
        except NotElf as error:
            KNOWN[key] = error
    found = KNOWN[key]
    if isinstance(found, NotElf):
        raise found
    return found


KNOWN: dict[tuple[int, int, int, tuple[str, ...]], ElfFile | NotElf] = {}


def check_counts(elf: Any) -> None:
    """Raise NotElf for a file that has more segments or sections than a linker makes.

    The number of sections may stand in the file as one of 64 bits (elf(5), e_shnum).
    """
    if elf.num_segments() > MOST_SEGMENTS:
        raise NotElf(f"{elf.num_segments()} segments")
    if elf.num_sections() > MOST_SECTIONS:
        raise NotElf(f"{elf.num_sections()} sections")


def check_table(elf: Any, offset: int) -> None:
    """Raise NotElf if the GNU hash table at `offset` is larger than a linker makes it.

    pyelftools would read all of it.
    """
    elf.stream.seek(offset)
    head = elf.stream.read(16)
    order: Literal["little", "big"] = "little" if elf.little_endian else "big"
    buckets, _, words, _ = (int.from_bytes(head[at : at + 4], order) for at in range(0, 16, 4))
    if buckets > MOST_BUCKETS or words > MOST_BUCKETS:
        raise NotElf(f"{buckets} buckets and {words} words of a hash table")


def load_segments(elf: Any) -> list[Segment]:
    """Return the PT_LOAD segments in the order of the file."""
    return [
        Segment(
            header["p_offset"],
            header["p_vaddr"],
            header["p_filesz"],
            header["p_memsz"],
            "".join(flag for bit, flag in enumerate("xwr") if header["p_flags"] & 1 << bit),
        )
        for header in (segment.header for segment in elf.iter_segments("PT_LOAD"))
    ]


def find_symbols(elf: Any, names: Iterable[str]) -> dict[str, Symbol]:
    """Return the symbols among `names` that the file defines and exports, by name."""
    found = {}
    for segment in elf.iter_segments("PT_DYNAMIC"):
        _, offset = segment.get_table_offset("DT_GNU_HASH")
        if offset is None:
            continue  # only the old System V table: no interpreter of today is linked so
        check_table(elf, offset)
        table = GNUHashTable(elf, offset, segment)
        for name in names:
            symbol = table.get_symbol(name)
            if symbol is not None and symbol["st_shndx"] != "SHN_UNDEF":
                found[name] = Symbol(symbol["st_value"], symbol["st_size"])
    return found


def section_address(elf: Any, name: str) -> int | None:
    """Return a section's address before relocation, or None where there is none of that name."""
    section = elf.get_section_by_name(name)
    return int(section["sh_addr"]) if section is not None else None
