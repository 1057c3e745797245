"""uWSGI: its master forks workers in C, and calls Python's fork hooks only with an option set here.

Without it, the thread that has the GIL at that moment has it in the worker for ever.  And the
agent's thread would be in the worker's list of threads without being there: looking at its frames
crashes.  The option is --py-call-uwsgi-fork-hooks.  With it the master takes the GIL to fork and
calls the hooks of `os.register_at_fork` (plugins/python/python_plugin.c,
uwsgi_python_pre_uwsgi_fork), so that everything is as with `os.fork`.  It can be given late: it
sets an `int` that is looked at before every fork.  The address of that is in the plugin's own table
of its options (uwsgi.h, struct uwsgi_option), which is found in memory by the option's name.
"""

from __future__ import annotations

import os
import struct
import sys
from typing import Any

from ..errors import Refused
from ..interpreter import descriptors
from ..interpreter.descriptors import Descriptor

MEMORY = "/proc/self/mem"
OPTION = "py-call-uwsgi-fork-hooks"
# A struct uwsgi_option: name, type, shortcut, help, function, and address of the variable to set.
ENTRY = struct.Struct("=QiiQQQ")
HELP = b"call pre and post hooks"  # how the option's help begins


class Master:
    """Makes uWSGI's master call Python's fork hooks; does nothing in any other process."""

    def __init__(self) -> None:
        self.place = 0  # the address of the option's variable, if we have set it

    def install(self) -> None:
        """Set the option, if this is a master without it; raises Refused if that is impossible."""
        if self.place or not is_master() or OPTION in sys.modules["uwsgi"].opt:
            return
        try:
            if has_subinterpreters():
                raise LookupError("it has subinterpreters")
            memory = descriptors.opened(MEMORY, os.O_RDWR)
            try:
                place = find(memory)
                write(memory, place, 1)
            finally:
                memory.close()
        except (OSError, ImportError, LookupError, struct.error) as error:
            raise Refused(
                "this is the master of uWSGI, whose workers are born without Python being told, "
                f"and that cannot be changed ({error}); its workers can be measured one by one"
            ) from None
        self.place = place

    def uninstall(self) -> None:
        """Reset the option, if we have set it; it stays if we may not do that any more."""
        place, self.place = self.place, 0
        if place:
            try:
                memory = descriptors.opened(MEMORY, os.O_RDWR)
                try:
                    write(memory, place, 0)
                finally:
                    memory.close()
            except OSError:
                return  # it is another user now; the hooks do no harm


def is_master() -> bool:
    """Tell whether this process is uWSGI's master, as uWSGI's module `uwsgi` has it."""
    uwsgi: Any = sys.modules.get("uwsgi")
    try:
        return bool(uwsgi.masterpid() == os.getpid() and uwsgi.opt)
    except (AttributeError, TypeError):
        return False


def role() -> str:
    """Return this process's role in uWSGI, or ""."""
    uwsgi: Any = sys.modules.get("uwsgi")
    try:
        return "uWSGI worker" if uwsgi.worker_id() else "uWSGI master"
    except (AttributeError, TypeError):
        return ""


def has_subinterpreters() -> bool:
    """Tell whether there are subinterpreters, which would end in the worker by Python's hooks.

    See PyOS_AfterFork_Child.  Raises ImportError.
    """
    name = "_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters"
    listing: Any = __import__(name)
    return len(listing.list_all()) > 1


def find(memory: Descriptor) -> int:
    """Return the address of the option's variable in `memory`, /proc/self/mem.

    Raises LookupError, OSError.
    """
    regions = mapped()
    for path in sorted({one[3] for one in regions}, key=lambda path: "uwsgi" not in path):
        own = [one for one in regions if one[3] == path]
        for start, end, _, _ in own:
            at = read(memory, start, end - start).find(b"\0" + OPTION.encode() + b"\0")
            if at >= 0:
                return named(memory, start + at + 1, own)
    raise LookupError("it is older than 2.0.19")


def mapped() -> list[tuple[int, int, str, str]]:
    """Return the regions of memory that may have the plugin: start, end, permissions and path."""
    found = []
    own = os.path.realpath("/proc/self/exe")
    for line in os.fsdecode(descriptors.read("/proc/self/maps")).splitlines():
        words = line.split(None, 5)
        path = words[5] if len(words) > 5 else ""
        if path.startswith("/") and (path == own or "uwsgi" in path or "python" in path):
            start, _, end = words[0].partition("-")
            if words[1].startswith("r"):
                found.append((int(start, 16), int(end, 16), words[1], path))
    return found


def named(memory: Descriptor, name: int, regions: list[tuple[int, int, str, str]]) -> int:
    """Return the address of the option's variable, out of uWSGI's table of options.

    `name` is the address of the option's name, and `regions` are those of the file that has it.
    Raises LookupError.
    """
    wanted = struct.pack("=Q", name)
    for start, end, _, _ in regions:
        content = read(memory, start, end - start)
        at = content.find(wanted)
        while at >= 0:
            if at % 8 == 0 and at + ENTRY.size <= len(content):
                _, _, _, text, _, place = ENTRY.unpack_from(content, at)
                if read(memory, text, len(HELP)) == HELP and read(memory, place, 4) == bytes(4):
                    return int(place)
            at = content.find(wanted, at + 1)
    raise LookupError("its table of options is not known")


def read(memory: Descriptor, start: int, size: int) -> bytes:
    """Return up to `size` bytes at the address `start`; none where they cannot be read."""
    try:
        return os.pread(memory.checked(), size, start)
    except (OSError, OverflowError, ValueError):
        return b""


def write(memory: Descriptor, place: int, value: int) -> None:
    """Write `value` as a C `int` to the address `place`; raises OSError."""
    os.pwrite(memory.checked(), struct.pack("=i", value), place)
