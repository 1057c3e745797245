"""Modules imported before measuring began, which prove that lines of theirs have run.

The target only says which files its modules come from, how far those have got, and which names
their namespaces have.  The lines are worked out from the sources, by the process that makes a
report.  No code of the application's may run for this.  Modules may be objects of any class, whose
attributes import something; so only the dictionaries of real modules are looked at.
"""

from __future__ import annotations

import os
import sys
import time
from types import FunctionType, ModuleType
from typing import Any

from ..interpreter import descriptors, frames

BEGUN = 0  # in place of a line: the module was begun, and it is not known how far it has got
SPEC = type(sys.__spec__)
# Fields of /proc/PID/stat (proc(5)) that every exec draws at random and a fork keeps: start_stack,
# start_brk, arg_start; and those of the parent's PID, and of the start in ticks after the boot.
DRAWN = (27, 46, 47)
PARENT, START_TIME = 3, 21
namespace_of = vars(ModuleType)["__dict__"].__get__
attributes_of = vars(type)["__dict__"].__get__  # of a class, whatever its metaclass makes of it


def describe() -> dict[str, Any]:
    """Return the facts about this process's imports that a report needs, to be sent as JSON.

    `finished` are the files of modules that were executed to their end, nearly all.  Zero bytes
    separate them: that goes over the wire in a tenth of the time of a list.  `names` and `lines`
    are the texts of `bound` for these, in the same order.  `modules` is a list of the others.  Each
    is [file, whether it is `__main__`, a line that it has reached, whether it is there still,
    names, lines].  `since`, in seconds since 1970, is when the process began, before which no file
    was loaded, and `noted` is now.  `python` is [major, minor], `optimize` the number of -O, and
    `prefix` the folder of the compiled files, or "" if they are beside the sources.
    """
    finished, others = modules()
    files, names, lines = zip(*finished) if finished else ((), (), ())
    return {
        "python": list(sys.version_info[:2]),
        "optimize": sys.flags.optimize,
        "prefix": sys.pycache_prefix or "",
        "since": began(),
        "noted": time.time(),
        "finished": "\0".join(files),
        "names": "\0".join(names),
        "lines": "\0".join(lines),
        "modules": others,
    }


def modules() -> tuple[list[tuple[str, str, str]], list[list[Any]]]:
    """Return the modules executed from source files: those executed to the end, and the others.

    The first are (file, names, lines), the others as in `describe`.  Each takes some microseconds.
    """
    running = module_frames()
    submodules = submodules_there()
    finished, others = [], []
    for key, module in list(sys.modules.items()):
        if not issubclass(type(module), ModuleType) or type(module).__name__ == "_LazyModule":
            continue  # importlib.util.LazyLoader's have not begun, and a look would load them
        names = namespace_of(module)
        file = names.get("__file__") or file_of_main(names)
        # `exec` adds `__builtins__`: without it, the module has been made and never executed.
        if type(file) is not str or file[-3:] in (".so", "pyc") or "__builtins__" not in names:
            continue
        is_main = type(names.get("__name__")) is str and names["__name__"] == "__main__"
        has_ended = not is_main and has_been_imported(key, file, names.get("__spec__"))
        whole = file if file[:1] == "/" else os.path.abspath(file)
        line, is_running = reached(names, file, is_main, running)
        held = bound(names, file, submodules)
        if line is BEGUN and not is_running and has_ended and id(names) not in running:
            finished.append((whole, *held))
        else:
            others.append([whole, is_main, line, is_running, *held])
    return finished, others


def has_been_imported(key: Any, file: str, spec: Any) -> bool:
    """Tell whether the import system has executed the module `key` to its end, from `file`.

    The import system notes beginning and end in `spec`, the module's, and takes failed modules out
    of `sys.modules` (importlib/_bootstrap.py, _load_unlocked).  For a lazy module the end that it
    notes is not that of the execution.
    """
    if type(spec) is not SPEC:
        return False
    noted = vars(spec)
    state = noted.get("loader_state")
    is_frozen = noted.get("origin") == "frozen" and type(state) is type(sys.implementation)
    origin = vars(state).get("filename") if is_frozen else noted.get("origin")
    is_lazy = type(state) is dict
    ended = noted.get("_initializing") is False and not is_lazy
    return ended and key == noted.get("name") and origin == file


def bound(names: dict[str, Any], file: str, submodules: set[tuple[int, str]]) -> tuple[str, str]:
    """Return the names bound in the namespace `names` since its file began, and lines of functions.

    Both are texts separated by blanks.  The names are in the order of their first binding.  Those
    of `submodules`, which importing one of these binds, have a point before them.  The lines are
    the first ones of the functions and methods of `file` that were made in this very namespace.
    """
    found = list(names)
    if "__path__" in names:
        package = f"{names.get('__name__')}."
        found = [
            f".{name}"
            if (id(names), name) in submodules or is_submodule(names.get(name), f"{package}{name}")
            else name
            for name in found
        ]
    try:
        text = " ".join(found)
    except TypeError:  # names of another kind than that of identifiers
        text = " ".join(name for name in found if type(name) is str)
    lines = [str(code.co_firstlineno) for code in codes_of(names) if code.co_filename == file]
    return text.partition("__builtins__ ")[2].replace("\0", ""), " ".join(lines)


def codes_of(names: dict[str, Any]) -> list[Any]:
    """Return the code objects of functions and methods whose globals are the namespace `names`."""
    module = names.get("__name__")
    held = list(names.values())
    for one in held.copy() if type(module) is str else ():
        if issubclass(type(one), type):
            attributes = attributes_of(one)
            own = attributes.get("__module__")
            if type(own) is str and own == module:
                held += attributes.values()
    functions = [one for one in held if type(one) is FunctionType]
    return [one.__code__ for one in functions if one.__globals__ is names]


def submodules_there() -> set[tuple[int, str]]:
    """Return the submodules that imports may have bound: (id of the package's namespace, name).

    Entries of `sys.modules` may be of any class and have any name: a submodule can replace itself.
    """
    found = set()
    for key in list(sys.modules):
        package, _, name = key.rpartition(".") if type(key) is str else ("", "", "")
        parent = sys.modules.get(package)
        if package and issubclass(type(parent), ModuleType):
            found.add((id(namespace_of(parent)), name))
    return found


def is_submodule(module: Any, name: str) -> bool:
    """Tell whether `module` is a module with that full `name`: it may have left `sys.modules`."""
    if not issubclass(type(module), ModuleType):
        return False
    own = namespace_of(module).get("__name__")
    return type(own) is str and own == name


def file_of_main(names: dict[str, Any]) -> Any:
    """Return the file of the main program, if it has ended and so has no `__file__`; else None.

    It is the file of all functions in `names`, the namespace, if they have only one.
    """
    if names is not namespace_of(sys.modules.get("__main__", sys)):
        return None
    functions = [one for one in list(names.values()) if type(one) is FunctionType]
    files = {one.__code__.co_filename for one in functions if one.__globals__ is names}
    return files.pop() if len(files) == 1 and not next(iter(files)).startswith("<") else None


def module_frames() -> dict[int, Any]:
    """Return the outermost frame that runs each module's code, by the id of the namespace."""
    return {
        id(frame.f_globals): frame
        for frame in frames.all_running()
        if frame.f_code.co_name == "<module>"
    }


def reached(
    names: dict[str, Any], file: str, is_main: bool, running: dict[int, Any]
) -> tuple[int, bool]:
    """Return a line that a module has reached, or BEGUN; and whether it is there still.

    `running` are the frames of `module_frames`.
    """
    frame = running.get(id(names))
    if frame is not None:
        # Somebody's `exec` of other code in this namespace tells nothing about the file.
        is_here = frame.f_code.co_filename == file
        return (frame.f_lineno or BEGUN) if is_here else BEGUN, is_here
    # A main program may have ended by an exception, and the process lives on for its threads.
    return last_function(names, file) if is_main else BEGUN, False


def last_function(names: dict[str, Any], file: str) -> int:
    """Return the first line of the last function of `file` that `names` holds, or BEGUN.

    That function has been defined, so the module has got at least so far.
    """
    lines = [
        code.co_firstlineno
        for code in codes_of(names)
        if code.co_filename == file and code.co_name != "<lambda>"
    ]
    return max(lines, default=BEGUN)


def began() -> float:
    """Return the start time, in seconds since 1970, of the process that has executed this program.

    That is this process, or the ancestor that it was forked from: there the files were loaded.
    """
    fields = stat(os.getpid())
    drawn = [fields[at] for at in DRAWN]
    while b"0" not in drawn:  # what may not be read is 0
        try:
            above = stat(int(fields[PARENT]))
        except OSError:
            break
        if [above[at] for at in DRAWN] != drawn:
            break
        fields = above
    uptime = time.clock_gettime(time.CLOCK_BOOTTIME)
    # Rounded up: a file that was written just before is not to look newer.
    return time.time() - uptime + (int(fields[START_TIME]) + 2) / os.sysconf("SC_CLK_TCK")


def stat(pid: int) -> list[bytes]:
    """Return the fields of /proc/PID/stat, counted from 0, of which the first two are empty.

    Raises OSError for a process that is gone.
    """
    return [b"", b"", *descriptors.read(f"/proc/{pid}/stat").rpartition(b")")[2].split()]
