"""The interpreter of a process, and the addresses of its functions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from covattach.errors import NoTarget, NotPossible
from covattach.process import plain_files
from covattach.process.elf import ElfFile, NotElf, read
from covattach.process.memory import Memory, open_memory
from covattach.process.memory_map import Mapping
from covattach.process.process import Process

OLDEST, NEWEST = (3, 9), (3, 15)
FUNCTIONS = (
    "Py_AddPendingCall",
    "Py_IsInitialized",
    "PyEval_RestoreThread",
    "PyEval_SaveThread",
    "PyGILState_Check",
    "PyGILState_Ensure",
    "PyGILState_Release",
    "PyRun_SimpleString",
)
# The second is the name of the first before 3.13.
UNCHECKED = ("PyThreadState_GetUnchecked", "_PyThreadState_UncheckedGet")
DEBUG = "_Py_NegativeRefcount"  # exported by debug builds only (Include/object.h)
NAMES = ("_PyRuntime", "Py_Version", DEBUG, *FUNCTIONS, *UNCHECKED)
LIBPYTHON = re.compile(r"/libpython3\.\d+(\w*)\.so[^/]*$")
VERSION_IN_NAME = re.compile(r"python3\.(\d+)")
VERSION_INSIDE = re.compile(rb"\0cpython-3(\d+)\0")  # sys.implementation.cache_tag
PYTHON_INSIDE = re.compile(rb"(Fatal Python error: )")  # Python/pylifecycle.c
MOST_CANDIDATES = 8  # files of a process that are looked into: an honest one has one
SEARCHED = 1 << 26  # bytes of a file that are searched at most: CPython's 30 MB are fewer
PIECE = 1 << 20  # bytes that are read at a time
LONGEST_WORD = 64  # bytes of a match
COOKIE = b"xdebugpy"  # the start of _Py_DebugOffsets, from 3.13 on


@dataclass(frozen=True)
class Interpreter:
    """A CPython in a process: its version, and addresses in the process's memory.

    `path` is its file, as the process sees it.  `runtime` and `runtime_size` are address and size
    of `_PyRuntime`.  `functions` has the addresses of FUNCTIONS by name.  `machine` is as ELF names
    it.
    """

    path: str
    version: tuple[int, int]
    runtime: int
    runtime_size: int
    functions: dict[str, int]
    machine: str

    def has_in_runtime(self, address: int) -> bool:
        """Whether `address` lies in `_PyRuntime`, as the GIL's own lock does."""
        return self.runtime <= address < self.runtime + self.runtime_size

    @property
    def dotted(self) -> str:
        """The version as people write it: 3.11."""
        return f"{self.version[0]}.{self.version[1]}"


def find_interpreter(process: Process) -> Interpreter:
    """Return the CPython that `process` runs.

    Raises NoTarget where it runs none, or one that covattach does not measure.  Raises NotPossible
    where we may not look, or where the build hides the symbols that are needed.
    """
    found = interpreter_file(process)
    if found is not None:
        return described(process, *found)
    if runs_pypy(process):
        raise NoTarget(
            f"Process {process.pid} runs PyPy; covattach measures CPython.",
            "For PyPy, start the program with `coverage run` instead.",
        )
    if search(process.proc / "exe", PYTHON_INSIDE):
        raise hidden(process, "none of them is in .dynsym")
    raise NoTarget(
        f"Process {process.pid} ({process.name}) is not a Python process.",
        "Look for the PID with `covattach ps`.",
    )


def interpreter_file(process: Process) -> tuple[Mapping, ElfFile] | None:
    """Return the mapping and the ELF file of the CPython that `process` runs; None if it runs none.

    Raises NotPossible where we may not look.
    """
    for mapping in islice(candidates(process), MOST_CANDIDATES):
        try:
            elf = read(process.open_mapped(mapping), NAMES)
        except (NotElf, OSError):
            continue
        if "_PyRuntime" in elf.symbols or elf.runtime_section is not None:
            return mapping, elf
    return None


def runs_pypy(process: Process) -> bool:
    """Whether `process` runs PyPy; raises NotPossible where we may not look."""
    return any("libpypy" in mapping.path for mapping in process.mappings)


def candidates(process: Process) -> Iterator[Mapping]:
    """Yield the first mapping of each file that may be the interpreter: libpython, then the exe."""
    first: dict[str, Mapping] = {}
    for mapping in process.mappings:
        if mapping.path.startswith("/"):
            first.setdefault(mapping.path, mapping)
    yield from (
        mapping
        for path, mapping in first.items()
        if LIBPYTHON.search(path.removesuffix(" (deleted)"))
    )
    yield from list(first.values())[:1]


def described(process: Process, mapping: Mapping, elf: ElfFile) -> Interpreter:
    """Return the Interpreter of a file, by `describe`; raises NotPossible for a damaged file.

    Raises the CovattachErrors of `describe` as they are, and NoTarget if the process has ended.
    """
    try:
        return describe(process, mapping, elf)
    except (NotElf, OSError) as error:
        process.read_start_time()  # raises NoTarget if it has ended
        raise NotPossible(
            f"The memory of process {process.pid} is not what its file says ({error}).",
            "Restart the program: the file may have been replaced or damaged.",
        ) from None


def describe(process: Process, mapping: Mapping, elf: ElfFile) -> Interpreter:
    """Return the Interpreter in the file `elf`, of which `mapping` is one mapping.

    Raises NoTarget or NotPossible for one that cannot be measured, NotElf or OSError for a damaged
    file.
    """
    missing = [name for name in ("_PyRuntime", *FUNCTIONS) if name not in elf.symbols]
    unchecked = [name for name in UNCHECKED if name in elf.symbols]
    missing += [] if unchecked else UNCHECKED
    if missing:
        raise hidden(process, missing[0])
    bias = elf.bias(mapping.start, mapping.offset)
    address = {name: bias + symbol.address for name, symbol in elf.symbols.items()}
    runtime = elf.symbols["_PyRuntime"]
    with open_memory(process) as memory:
        version = read_version(memory, address.get("Py_Version"), mapping.path, elf.path)
        header = memory.read(address["_PyRuntime"], 24)
    refuse_unfit(process, version, header, DEBUG in address)
    functions = {name: address[name] for name in FUNCTIONS}
    functions[UNCHECKED[0]] = address[unchecked[0]]
    return Interpreter(
        mapping.path, version, address["_PyRuntime"], runtime.size, functions, elf.machine
    )


def refuse_unfit(process: Process, version: tuple[int, int], header: bytes, is_debug: bool) -> None:
    """Raise NoTarget for a build that is not measured; `header` is the start of `_PyRuntime`."""
    if not OLDEST <= version <= NEWEST:
        raise NoTarget(
            f"Process {process.pid} runs Python {version[0]}.{version[1]};"
            " covattach measures CPython 3.9 to 3.15.",
            "Look for a newer covattach: `pip install -U covattach`.",
        )
    if header.startswith(COOKIE) and header[16:24] != bytes(8):
        raise NoTarget(
            f"Process {process.pid} runs a free-threaded build of Python, which has no GIL.",
            "Run the program on the usual build of the same version to measure it.",
        )
    if is_debug:
        raise NoTarget(
            f"Process {process.pid} runs a debug build of Python; there is no coverage for those.",
            "Run the program on the usual build of the same version to measure it.",
        )


def hidden(process: Process, what: str) -> NotPossible:
    """Return the error for an interpreter whose functions cannot be called.

    `what` tells in a few words which symbol is missing.
    """
    return NotPossible(
        f"The interpreter of process {process.pid} hides the functions that are needed"
        f" ({what}), as frozen programs do.",
        "Start that program with `coverage run`, or build it with its symbols exported.",
    )


def read_version(memory: Memory, py_version: int | None, path: str, file: Path) -> tuple[int, int]:
    """Return major and minor version: from `Py_Version` (3.11 on), else from the file's name.

    `py_version` is the address of `Py_Version` or None; `path` is the file as the process sees it.
    A program that embeds Python has another name: then the content of `file` is searched.
    """
    if py_version is not None:
        number = memory.word(py_version)
        return (number >> 24) & 0xFF, (number >> 16) & 0xFF
    named = VERSION_IN_NAME.search(path.rpartition("/")[2])
    return 3, int(named[1] if named else search(file, VERSION_INSIDE) or 0)


def search(file: Path, pattern: re.Pattern[bytes]) -> str:
    """Return the first group of the first match of `pattern` in a file, as text; "" for none.

    The file is read piece by piece: if a mapped file were cut off meanwhile, that would kill us.
    """
    rest = b""
    try:
        with plain_files.opened(file) as opened:
            for _ in range(0, SEARCHED, PIECE):
                piece = opened.read(PIECE)
                found = pattern.search(rest + piece)
                if found or not piece:
                    return found[1].decode() if found else ""
                rest = piece[-LONGEST_WORD:]
    except OSError:
        return ""
    return ""
