"""The one line that is executed in the target, and where it can lie in the target's memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from covattach.errors import NotPossible
from covattach.target.elf import ElfFile, NotElf
from covattach.target.interpreter import Interpreter
from covattach.target.memory import Memory, open_memory
from covattach.target.process import Mapping, Process

# A lambda, because it is executed in `__main__` and leaves no name there.  `except BaseException:
# pass`, because an exception that leaves a pending call surfaces as SystemError in the
# application's code, and because once we have given up the file is gone.
BEGINNING = b'try: (lambda file: (exec(file.read(), {"SESSION":'
TEXT = """\
try: (lambda file: (exec(file.read(), {{"SESSION": "{session}"}}), file.close()))\
(open("{session}/payloads/launch.py"))
except BaseException: pass
"""
SAFE = re.compile(r"[A-Za-z0-9_./-]{1,56}")
ROOM = 256


def launcher(session: str) -> bytes:
    """Return the line for the session in the folder `session` (as the target sees it).

    Raises NotPossible for a path that would have to be quoted.
    """
    if not SAFE.fullmatch(session):
        raise NotPossible(
            f"The session folder {session!r} has a name that cannot be passed on safely.",
            "Make /tmp or /var/tmp writable for the target's user.",
        )
    return TEXT.format(session=session).encode("ascii")


@contextmanager
def placed(process: Process, interpreter: Interpreter, text: bytes) -> Iterator[int]:
    """Put `text` into unused memory of the target; yield its address.

    It stays there afterwards, until `wipe`: what was armed may still be going to read it.
    Raises NotPossible where there is no room.
    """
    with open_memory(process) as memory:
        address = find_room(process, interpreter, memory)
        memory.write(address, text + b"\0")
    try:
        yield address
    except BaseException:
        wipe(process, address, len(text))
        raise


def wipe(process: Process, address: int, size: int) -> None:
    """Clear the text: a call that is still armed finds an empty string to run."""
    if process.is_alive():
        with open_memory(process) as memory:
            memory.write(address, bytes(size))


def find_room(process: Process, interpreter: Interpreter, memory: Memory) -> int:
    """Return the address of ROOM bytes that nobody uses, see `ElfFile.slack`.

    So nothing has to be allocated in the target, for which a function would have to be called in
    a thread that may be inside the allocator.
    """
    if any("/ld-musl" in mapping.path for mapping in process.mappings):
        raise NotPossible(
            f"Process {process.pid} uses musl, whose allocator gives such memory away.",
            "Run the program on an interpreter built for glibc to measure it.",
        )
    for address in rooms(process, interpreter):
        try:
            content = memory.read(address, ROOM)
            # Or what was left there by one of us that was killed: it has no token any more.
            if content == bytes(ROOM) or content.startswith(BEGINNING):
                return address
        except OSError:
            continue
    raise NotPossible(
        f"There is no unused memory in process {process.pid} for the line to execute.",
        "Use another method: `--method pyrasite`, or `--method remote-exec` on Python 3.14.",
    )


def rooms(process: Process, interpreter: Interpreter) -> Iterator[int]:
    """Yield addresses behind the data of the mapped files, the interpreter's own first."""
    seen = set()
    for mapping in sorted(process.mappings, key=lambda mapping: mapping.path != interpreter.path):
        if mapping.path in seen or not has_data(mapping):
            continue
        seen.add(mapping.path)
        try:
            elf = ElfFile(process.open_mapped(mapping), ())
            slack = elf.slack()
            if slack is not None and slack[1] >= ROOM + 16:
                yield slack[0] + elf.bias(mapping.start, mapping.offset) + 16
        except (NotElf, OSError):
            continue


def has_data(mapping: Mapping) -> bool:
    """Whether a file's data may be mapped here; the loader uses the end of its own itself."""
    is_code = ".so" in mapping.path or "/python" in mapping.path
    return (
        mapping.path.startswith("/")
        and is_code
        and "w" in mapping.permissions
        and "/ld-" not in mapping.path
    )
