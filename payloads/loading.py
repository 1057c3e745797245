"""Bring our modules in, in the agent's thread: once for all sessions that have the same ones."""

from __future__ import annotations

import codecs
import marshal
import sys
from types import ModuleType
from typing import Any

# Dependencies first: each module finds the ones before it when it is executed.
MODULES = (
    "json_text",
    "descriptors",
    "faults",
    "native",
    "main_thread",
    "gil",
    "heap",
    "isolated",
    "frames",
    "greenlets",
    "stand_ins",
    "loaders",
    "later",
    "library",
    "tracers",
    "every_thread",
    "company",
    "apart",
    "rivals",
    "stacks",
    "frame_functions",
    "new_threads",
    "sources",
    "guard",
    "windows",
    "batches",
    "snapshot",
    "codes",
    "entries",
    "quiet",
    "adopt_sysmon",
    "green_tracers",
    "tracing_flags",
    "adopt_ctrace",
    "cores",
    "measure",
    "cost",
    "ending",
    "place",
    "sigterm",
    "replaced",
    "children",
    "uwsgi",
    "tree",
    "lobby",
    "wire",
    "pipes",
    "door",
    "afterwards",
    "thread",
    "imported",
    "session",
    "dumping",
    "recording",
    "values",
    "selection",
    "calls",
    "monitor",
    "profiler",
    "budget",
    "share",
    "stream",
    "tracing",
    "repair",
    "forking",
    "closing",
    "agent",
    "beginnings",
)
PACKAGE = "_covattach"
DIGEST = 32  # bytes in front of compiled code that tell it from other such
KEEP = "covattach.payloads"


def keep(key: bytes | int, last: Any) -> Any:
    """Keep the last of our modules, which leads to all others, in the codec registry.

    The class is made only here: one for each session would be garbage that waits for its collector.
    """

    class Keeper:
        """Holds our modules; to the codec registry, this is an error handler."""

        def __call__(self, error: UnicodeError) -> tuple[str, int]:
            """Raise the error that it was called for."""
            raise error

    keeper: Any = Keeper()
    keeper.key, keeper.last = key, last
    codecs.register_error(KEEP, keeper)
    return keeper


def texts(folder: str) -> tuple[str, ...]:
    """Return the texts of the payload modules."""
    found = []
    for name in MODULES:
        with open(folder + "/" + name + ".py", encoding="utf-8") as file:
            found.append(file.read())
    return tuple(found)


def load(folder: str, content: Any = None, main: int = 0) -> Any:
    """Return the last of the payload modules: of the texts in `folder`, or as they are compiled.

    `main` is the identifier of the process's first thread, if it is known.

    An earlier session has kept it, if the modules are the same; otherwise they are executed.  In
    the codec registry, as `library` keeps coverage: made anew for each session, half a megabyte
    of modules and functions that refer to each other would wait for the garbage collector.
    """
    content = content or texts(folder)
    try:
        keeper: Any = codecs.lookup_error(KEEP)
    except LookupError:
        keeper = None
    key = content[:DIGEST] if isinstance(content, bytes) else hash(content)
    if keeper is None or keeper.key != key:
        keeper = keep(key, execute(content, main))
    return keeper.last


def execute(content: Any, main: int) -> Any:
    """Execute the payload modules, of these `contents`, and return the last one.

    They see each other as the package `_covattach`, which is in `sys.modules` only meanwhile.
    The file names start with `<`, which is how coverage knows that they are not to be measured.
    """
    if isinstance(content, bytes):
        found = marshal.loads(memoryview(content)[DIGEST:])  # noqa: S302  # it is covattach's
        content = [found[name] for name in MODULES]
    package: Any = ModuleType(PACKAGE)
    package.__path__ = []
    package.main = main  # for `main_thread`
    sys.modules[PACKAGE] = package
    module: Any = package
    try:
        for name, code in zip(MODULES, content):
            if isinstance(code, str):
                code = compile(code, "<covattach " + name + ">", "exec")
            module = ModuleType(PACKAGE + "." + name)
            module.__package__ = PACKAGE
            sys.modules[module.__name__] = module
            exec(code, module.__dict__)
            setattr(package, name, module)
    finally:
        for name in MODULES:
            sys.modules.pop(PACKAGE + "." + name, None)
        del sys.modules[PACKAGE]
    return module
