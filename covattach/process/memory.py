"""The target's memory, read and written through /proc/PID/mem without stopping it."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from covattach.errors import NoTarget, NotNow
from covattach.process.identity import check_same
from covattach.process.process import Process, may_not


class Memory:
    """The memory of a process, by absolute addresses; raises OSError where nothing is mapped.

    `fd` is a descriptor of its /proc/PID/mem.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def read(self, address: int, size: int) -> bytes:
        """Return `size` bytes; raises OSError where fewer can be read."""
        try:
            data = os.pread(self.fd, size, address)
        except OverflowError:
            raise OSError(f"{address:#x} is no address") from None
        if len(data) != size:
            raise OSError(f"only {len(data)} of {size} bytes can be read at {address:#x}")
        return data

    def write(self, address: int, data: bytes) -> None:
        """Write all of `data` at `address`, also where the target itself may not write."""
        try:
            written = os.pwrite(self.fd, data, address)
        except OverflowError:
            raise OSError(f"{address:#x} is no address") from None
        if written != len(data):
            raise OSError(f"{len(data)} bytes cannot be written at {address:#x}")

    def word(self, address: int) -> int:
        """Return the 64-bit word at `address`."""
        return int(struct.unpack("<Q", self.read(address, 8))[0])


@contextmanager
def open_memory(process: Process, to_inject: bool = False) -> Iterator[Memory]:
    """Open the memory of `process` for reading and writing; raises NotPossible without rights.

    Raises NoTarget or NotNow if it has ended, or executes another program, also if another process
    has its PID now.  With `to_inject`, raises NotNow if its rights have changed.  An open memory
    belongs to one program for good: so the checks follow the opening.
    """
    try:
        fd = os.open(process.proc / "mem", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError:
        raise may_not(process) from None
    except (FileNotFoundError, ProcessLookupError):
        process.read_start_time()
        raise ended(process) from None
    try:
        if process.read_start_time() != process.start_time:
            raise NoTarget(
                f"Process {process.pid} has ended, and another one has its PID now.",
                "Look for its successor with `covattach ps`.",
            )
        check_same(process.pid, process.standing, process.read_standing(), rights=to_inject)
        yield Memory(fd)
    finally:
        os.close(fd)


def ended(process: Process, details: str = "") -> NotNow:
    """Return the error for a process that has ended meanwhile; `details` are for `-v`."""
    return NotNow(
        f"Process {process.pid} ended meanwhile.",
        "Look for its successor with `covattach ps`.",
        details,
    )
