"""Which interpreter a process runs, and where its functions are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from covattach.errors import NoTarget, NotPossible
from covattach.target.elf import ElfFile, NotElf
from covattach.target.memory import Memory, open_memory
from covattach.target.process import Mapping, Process

OLDEST, NEWEST = (3, 9), (3, 15)
FUNCTIONS = (
    "Py_AddPendingCall",
    "PyGILState_Check",
    "PyGILState_Ensure",
    "PyGILState_Release",
    "PyRun_SimpleString",
)
LIBPYTHON = re.compile(r"/libpython3\.\d+(\w*)\.so[^/]*$")
VERSION_IN_NAME = re.compile(r"python(3\.\d+)")
COOKIE = b"xdebugpy"  # the start of _Py_DebugOffsets, from 3.13 on


@dataclass(frozen=True)
class Interpreter:
    """A CPython in a process: its version, and addresses in the process's memory."""

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

    Raises NoTarget where it runs none, or one that covattach does not measure, and NotPossible
    where we may not look, or where the build hides what is needed.
    """
    for mapping in candidates(process):
        try:
            elf = ElfFile(process.open_mapped(mapping), ("_PyRuntime", "Py_Version", *FUNCTIONS))
        except (NotElf, OSError):
            continue
        if "_PyRuntime" in elf.symbols or elf.runtime_section is not None:
            return described(process, mapping, elf)
    if any("libpypy" in mapping.path for mapping in process.mappings):
        raise NoTarget(
            f"Process {process.pid} runs PyPy; covattach measures CPython.",
            "For PyPy, start the program with `coverage run` instead.",
        )
    raise NoTarget(
        f"Process {process.pid} ({process.name}) is not a Python process.",
        "Look for the PID with `pgrep -af python`.",
    )


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
    """Return what `describe` returns, or raise what it raises; NotPossible for a file that lies."""
    try:
        return describe(process, mapping, elf)
    except (NotElf, OSError) as error:
        process.read_start_time()  # says so if it has ended
        raise NotPossible(
            f"The memory of process {process.pid} is not what its file says ({error}).",
            "Restart the program: the file may have been replaced or damaged.",
        ) from None


def describe(process: Process, mapping: Mapping, elf: ElfFile) -> Interpreter:
    """Return the Interpreter of one file; raises NoTarget or NotPossible for one that is no use."""
    missing = [name for name in ("_PyRuntime", *FUNCTIONS) if name not in elf.symbols]
    if missing:
        raise NotPossible(
            f"The interpreter of process {process.pid} hides the functions that are needed"
            f" ({missing[0]}), as frozen programs do.",
            "Start that program with `coverage run`, or build it with its symbols exported.",
        )
    bias = elf.bias(mapping.start, mapping.offset)
    address = {name: bias + symbol.address for name, symbol in elf.symbols.items()}
    runtime = elf.symbols["_PyRuntime"]
    with open_memory(process) as memory:
        version = read_version(memory, address.get("Py_Version"), mapping.path)
        header = memory.read(address["_PyRuntime"], 24)
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
    functions = {name: address[name] for name in FUNCTIONS}
    return Interpreter(
        mapping.path, version, address["_PyRuntime"], runtime.size, functions, elf.machine
    )


def read_version(memory: Memory, py_version: int | None, path: str) -> tuple[int, int]:
    """Return major and minor version: from `Py_Version` (3.11 on), else from the file's name."""
    if py_version is not None:
        number = memory.word(py_version)
        return (number >> 24) & 0xFF, (number >> 16) & 0xFF
    found = VERSION_IN_NAME.search(path.rpartition("/")[2])
    major, _, minor = (found[1] if found else "0.0").partition(".")
    return int(major), int(minor)
