"""Injection by pyrasite, an older tool, run as a program of its own: only with `--method pyrasite`.

It calls into the interpreter wherever the target happens to be, which hangs or kills a busy target
in a quarter of all attaches.  It is here for comparison, and for those who trust it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from covattach.errors import NoSafePoint, NotPossible
from covattach.files.private_folder import private_folder
from covattach.injector.architecture import support
from covattach.injector.injection import Injection
from covattach.process.identity import is_somebody_elses
from covattach.process.interpreter import Interpreter
from covattach.process.process import Process
from covattach.process.runtime import subinterpreters


def program() -> str:
    """Return the path of pyrasite's program; raises NotPossible where there is none."""
    beside = Path(sys.executable).with_name("pyrasite")
    found = str(beside) if beside.exists() else shutil.which("pyrasite")
    if found is None:
        raise NotPossible("There is no pyrasite program.", "Install it: `pip install pyrasite`.")
    return found


def inject(process: Process, interpreter: Interpreter, script: str, deadline: float) -> Injection:
    """Have pyrasite execute the file `script` (a path in the target's view) in `process`.

    `deadline` is a time of `time.monotonic`.  Raises NotPossible, NoSafePoint.
    """
    if shutil.which("gdb") is None:
        raise NotPossible(
            "pyrasite needs gdb, which is not on PATH.", "Install it: `apt install gdb`."
        )
    if interpreter.version >= (3, 12) and subinterpreters(process, interpreter):
        raise NotPossible(
            f"Process {process.pid} has subinterpreters: pyrasite might run in one of them.",
            "Use the default method.",
        )
    if is_somebody_elses(process.standing):
        raise NotPossible(
            f"pyrasite cannot tell whether process {process.pid} is still the same program, and its"
            f" user's, when it gets in: that is user {process.uid}'s to change.",
            "Use the default method, or run the same command as that user.",
        )
    began = time.monotonic()
    with private_folder("gdb-") as configuration:
        popen = subprocess.Popen(
            [program(), str(process.pid), script, "--verbose"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=environment(configuration),
        )
        output = wait(process, popen, deadline)
    pause = 1000 * (time.monotonic() - began)
    transcript = output.decode(errors="replace").splitlines()
    return Injection("pyrasite", pause, "run wherever the target was", transcript, lambda: None)


def environment(configuration: Path) -> dict[str, str]:
    """Return an environment in which pyrasite's gdb uses our description of registers.

    `configuration` is an empty folder for gdb's settings.  Without them, gdb before 14 cannot write
    registers where the CPU has AMX: the target may then abort.
    """
    (configuration / "gdb").mkdir()
    (configuration / "gdb" / "gdbinit").write_text(
        f"set tdesc filename {support.REGISTERS}\n", encoding="utf-8"
    )
    return {**os.environ, "XDG_CONFIG_HOME": str(configuration)}


def wait(process: Process, popen: subprocess.Popen[bytes], deadline: float) -> bytes:
    """Return pyrasite's output; raises NoSafePoint if it has not ended at the deadline."""
    try:
        return popen.communicate(timeout=deadline - time.monotonic())[0]
    except BaseException as error:
        os.killpg(popen.pid, signal.SIGTERM)
        popen.wait()
        if isinstance(error, subprocess.TimeoutExpired):
            raise NoSafePoint(
                f"pyrasite hung on process {process.pid}; its gdb was ended.",
                "Use the default method, which was made for busy targets.",
            ) from None
        raise
