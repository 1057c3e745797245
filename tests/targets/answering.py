"""Answers tests in a target: evaluates expressions, and prints their values as JSON.

Expressions come in on standard input, one a line; answers go out on standard output.  `main` is the
namespace of the program's main module, in which they are evaluated.  Imported by most targets.
"""

import json
import os
import sys
import threading


def answer(main):
    """Answer until standard input ends, as it does when the test ends; then end the process."""
    pending = b""
    while True:
        part = os.read(0, 65536)  # not sys.stdin: its lock would be in the way at exit
        if not part:
            os._exit(9)
        pending += part
        while b"\n" in pending:
            line, _, pending = pending.partition(b"\n")
            respond(line.decode(), main)


def respond(expression, main):
    """Evaluate one expression, and print its value as an answer."""
    os.write(1, b"answer " + value_of(expression, main) + b"\n")


def value_of(expression, main):
    """Evaluate one expression; return its value, or the exception's text, as JSON in bytes."""
    names = {"answering": sys.modules[__name__], "sys": sys, **main}
    try:
        value = eval(expression, names)  # noqa: S307  what it is for
    except BaseException as error:
        value = repr(error)
    return json.dumps(value, default=repr).encode()


def in_thread(main):
    """Start a thread that answers, and print "ready"."""
    threading.Thread(target=answer, args=(main,), name="answering", daemon=True).start()
    os.write(1, b"ready\n")


def residue():
    """Return all traces of an attach that this process can see in itself, for comparison."""
    import atexit
    import builtins
    import codecs
    import gc
    import signal

    frames = sys._current_frames().values()
    monitoring = getattr(sys, "monitoring", None)
    return {
        "sys": sorted(set(dir(sys)) - {"last_exc", "last_type", "last_value", "last_traceback"}),
        "modules": sorted(name for name in list(sys.modules) if not in_library(name)),
        "path": list(sys.path),
        "importers": sorted(name for name in sys.path_importer_cache if not is_library(name)),
        "enumerate": sorted(thread.name for thread in threading.enumerate()),
        "trace": repr((sys.gettrace(), sys.getprofile(), threading._trace_hook)),
        "frames": sum(stacked.f_trace is not None for frame in frames for stacked in stack(frame)),
        "tools": [monitoring.get_tool(number) for number in range(6)] if monitoring else [],
        "signals of Python": [repr(signal.getsignal(number)) for number in (2, 15)],
        # Before 3.14 what was unregistered is counted too.
        "atexit": sys.version_info >= (3, 14) and atexit._ncallbacks(),
        "switch interval": sys.getswitchinterval(),
        "gc": [gc.isenabled(), list(gc.get_threshold())],
        "hooks": repr((sys.meta_path, sys.path_hooks, sys.excepthook, codecs.lookup("utf-8"))),
        "builtins": sorted(vars(builtins)),
        "main": sorted(vars(sys.modules["__main__"])),
    }


def stack(frame):
    """Yield the frame and its callers."""
    while frame is not None:
        yield frame
        frame = frame.f_back


def in_library(name):
    """Whether the module `name` belongs to the standard library."""
    module = sys.modules.get(name)
    where = getattr(module, "__file__", None)
    known = (*getattr(sys, "stdlib_module_names", sys.builtin_module_names), "__mp_main__")
    if name.startswith(("_frozen_importlib", "typing.")):
        return True
    return name.partition(".")[0] in known or (where is not None and is_library(where))


def is_library(path):
    """Whether a path lies in the standard library."""
    return path.startswith(os.path.dirname(os.__file__)) and "-packages" not in path
