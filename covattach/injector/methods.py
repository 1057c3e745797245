"""The choice of an injector: by the method that was asked for, or the least intrusive one.

An injector knows nothing of coverage.  The line that it has executed is the same for all methods
(bootstrap_line.py): it executes the file "begin" in a session's folder.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable
from functools import partial

from covattach.errors import NotPossible
from covattach.injector import gdb, pyrasite, remote_exec
from covattach.injector.architecture import support
from covattach.injector.bootstrap_line import bootstrap_line
from covattach.injector.gdb_signals import handles_timers
from covattach.injector.injection import Injection
from covattach.process.interpreter import Interpreter
from covattach.process.process import Process
from covattach.process.runtime import check_python, subinterpreters
from covattach.process.thread_activity import asleep
from covattach.session.folder import SessionFolder

Text = Callable[..., bytes]
METHODS = ("auto", "gdb", "remote-exec", "pyrasite")
ASLEEP = 0.25  # seconds after which a target none of whose threads runs is taken for asleep


def inject(
    process: Process, interpreter: Interpreter, folder: SessionFolder, method: str, deadline: float
) -> Injection:
    """Have `process` execute the line for the session in `folder`, by `method`, one of METHODS.

    `deadline` is a time of `time.monotonic`.  Raises NotPossible, NotNow, NoSafePoint; the target
    is then as it was.
    """
    text = partial(bootstrap_line, folder.path_in_target)
    check_python(process, interpreter)
    if method == "auto":
        return least_intrusive(process, interpreter, folder, text, deadline)
    if method == "gdb":
        return gdb.inject(process, interpreter, text, deadline)
    if method == "remote-exec":
        return by_remote_exec(process, interpreter, folder, text, deadline)
    if method == "pyrasite":  # it leaves two folders in front of the target's sys.path
        script = folder.add_file("launch", b"del sys.path[:2]\n" + text())
        return pyrasite.inject(process, interpreter, script, deadline)
    raise NotPossible(f"There is no method {method}.", f"Use one of {', '.join(METHODS)}.")


def by_remote_exec(
    process: Process, interpreter: Interpreter, folder: SessionFolder, text: Text, deadline: float
) -> Injection:
    """Inject the line that `text` returns by PEP 768, which reads it from a file in `folder`."""
    script = folder.add_file("launch", text())
    return remote_exec.inject(process, interpreter, script, folder.is_claimed, deadline)


def least_intrusive(
    process: Process, interpreter: Interpreter, folder: SessionFolder, text: Text, deadline: float
) -> Injection:
    """Inject without stopping the target where that is possible, else by gdb.

    A signal handler of the application's may raise while PEP 768's script runs in the main thread.
    It would then raise in that script, and nowhere else.  So where a timer may send signals, a new
    thread, which only gdb can start, executes the line.

    PEP 768 waits for a thread that runs in the main interpreter.  Where all of those sleep, none
    would look, and gdb has to let one run the line.  The same holds if another interpreter has
    threads that have not looked.
    """
    if not remote_exec.is_available(process, interpreter):
        return gdb.inject(process, interpreter, text, deadline)
    if handles_timers(process) and shutil.which("gdb") and support.is_supported(interpreter):
        with contextlib.suppress(NotPossible):  # where gdb cannot, PEP 768 still can
            return gdb.inject(process, interpreter, text, deadline)
    injection = by_remote_exec(process, interpreter, folder, text, deadline)
    long = min(deadline, time.monotonic() + ASLEEP)
    if remote_exec.waited_for(folder.is_claimed, long, 0.01) or shutil.which("gdb") is None:
        return injection
    known = remote_exec.known_threads(process, interpreter)
    if not asleep(process, interpreter, known) and not subinterpreters(process, interpreter):
        return injection
    injection.cancel()
    return gdb.inject(process, interpreter, text, deadline)
