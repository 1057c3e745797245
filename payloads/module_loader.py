"""Loads the payload modules, in the agent's thread; sessions with the same modules share them."""

from __future__ import annotations

import codecs
import marshal
import sys
from types import ModuleType
from typing import Any

# Dependencies first: each module finds the ones before it when it is executed.
MODULES = (
    "session_files",
    "errors",
    "interpreter.cpu_time",
    "interpreter.tool_ids",
    "interpreter.weak_code",
    "interpreter.json_text",
    "interpreter.descriptors",
    "interpreter.capi",
    "interpreter.main_thread",
    "interpreter.atomic",
    "interpreter.gc_objects",
    "interpreter.subinterpreters",
    "interpreter.frames",
    "interpreter.greenlets",
    "interpreter.all_threads",
    "server.clients",
    "server.protocol",
    "server.wakeup_pipes",
    "server.listener",
    "coverage_import.lazy_objects",
    "coverage_import.file_loaders",
    "coverage_import.lazy_import",
    "coverage_import.coverage_package",
    "snapshot.windows",
    "snapshot.encoding",
    "snapshot.snapshot",
    "snapshot.imported_modules",
    "processes.wrapped_builtin",
    "processes.child_programs",
    "processes.uwsgi",
    "processes.tree",
    "processes.after_fork",
    "measure.core",
    "measure.leftovers",
    "measure.live_coverage",
    "measure.thread_hook",
    "measure.source_search",
    "measure.guard",
    "measure.first_calls",
    "measure.core_choice",
    "measure.overhead",
    "measure.conflicts",
    "measure.isolation",
    "measure.ctrace.owners",
    "measure.ctrace.calibration",
    "measure.ctrace.call_watcher",
    "measure.ctrace.tracers",
    "measure.ctrace.foreign_tracers",
    "measure.ctrace.stacks",
    "measure.ctrace.frame_trace_functions",
    "measure.ctrace.greenlet_tracers",
    "measure.ctrace.greenlet_flags",
    "measure.ctrace.adoption",
    "measure.sysmon.line_watcher",
    "measure.sysmon.monitoring_tool",
    "measure.sysmon.code_objects",
    "measure.sysmon.line_events",
    "measure.sysmon.adoption",
    "measure.registry",
    "measure.measurement",
    "trace.event_kinds",
    "trace.safe_repr",
    "trace.filters",
    "trace.event_buffer",
    "trace.monitoring_hook",
    "trace.profiler_hook",
    "trace.overhead_budget",
    "trace.limits",
    "trace.stream",
    "trace.tracing",
    "agent.session_facts",
    "agent.signal_handler",
    "agent.error_reply",
    "agent.autosave",
    "agent.session_folder",
    "agent.sigterm",
    "agent.thread",
    "agent.session",
    "agent.dump_verbs",
    "agent.record_verbs",
    "agent.descriptor_repair",
    "agent.at_fork",
    "agent.shutdown",
    "agent.agent",
    "agent.entry",
)
PARTS = (
    "interpreter",
    "server",
    "coverage_import",
    "snapshot",
    "processes",
    "measure",
    "measure.ctrace",
    "measure.sysmon",
    "trace",
    "agent",
)
PACKAGE = "_covattach"
DIGEST = 32  # bytes of the SHA-256 digest before the compiled code, which identify it
KEEP = "covattach.payloads"  # the name under which the codec registry keeps the modules


def keep(key: bytes | int, last: Any) -> Any:
    """Store the payload modules in the codec registry, and return the object that holds them.

    `last` is the last module, from which all others can be reached; `key` identifies their version.
    The class is defined only here: one for each session would wait for the garbage collector.
    """

    class Keeper:
        """Holds the payload modules, as `last`; to the codec registry, this is an error handler."""

        def __call__(self, error: UnicodeError) -> tuple[str, int]:
            """Raise the error that it was called for."""
            raise error

    keeper: Any = Keeper()
    keeper.key, keeper.last = key, last
    codecs.register_error(KEEP, keeper)
    return keeper


def texts(folder: str) -> tuple[str, ...]:
    """Return the source texts of MODULES, in that order, from the payloads in `folder`."""
    found = []
    for name in MODULES:
        with open(folder + "/" + name.replace(".", "/") + ".py", encoding="utf-8") as file:
            found.append(file.read())
    return tuple(found)


def load(folder: str, content: Any = None, main: int = 0) -> Any:
    """Load the payload modules, and return the last one, `agent.entry`.

    `content` is their compiled code, with its digest; without that the sources in `folder` are
    used.  `main` is the identifier of the process's first thread, or 0 if that is not known.

    Modules that an earlier session has kept are returned again, if they are the same.  The codec
    registry keeps them, as it keeps coverage for `coverage_package`.  Made anew for each session,
    half a megabyte of modules and functions that refer to each other would wait for the garbage
    collector.
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
    """Execute the payload modules, and return the last one; `main` is the same as for `load`.

    `content` is their compiled code, with its digest, or their source texts in the order of
    MODULES.  They import each other from the package `_covattach`, which is in `sys.modules` only
    meanwhile.  The file names start with `<`, which is how coverage knows that they are not to be
    measured.
    """
    if isinstance(content, bytes):
        found = marshal.loads(memoryview(content)[DIGEST:])  # noqa: S302  # it is covattach's
        content = [found[name] for name in MODULES]
    packages = {part: package_named(PACKAGE + "." + part) for part in PARTS}
    packages[""] = module = package_named(PACKAGE)
    module.main = main  # for interpreter/main_thread.py
    sys.modules.update((package.__name__, package) for package in packages.values())
    try:
        for name, code in zip(MODULES, content):
            if isinstance(code, str):
                code = compile(code, "<covattach " + name + ">", "exec")
            part, _, own = name.rpartition(".")
            module = ModuleType(PACKAGE + "." + name)
            module.__package__ = packages[part].__name__
            sys.modules[module.__name__] = module
            exec(code, module.__dict__)
            setattr(packages[part], own, module)
    finally:
        for package in packages.values():
            sys.modules.pop(package.__name__, None)
        for name in MODULES:
            sys.modules.pop(PACKAGE + "." + name, None)
    return module


def package_named(name: str) -> Any:
    """Return an empty package, which need not have a folder."""
    package: Any = ModuleType(name)
    package.__path__ = []
    return package
