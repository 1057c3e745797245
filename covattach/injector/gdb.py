"""Injection by gdb: Python 3.9 to 3.13, and later ones where PEP 768 is switched off.

Where a thread is stopped decides what may be called on it.  At an arbitrary instruction it may
hold any lock, so the line is only *armed*: `Py_AddPendingCall` takes a short lock of its own, and
the interpreter runs the line at its next safe point, in the main thread.  A main thread that is
blocked would never get there; but one that waits in an idle system call, outside of the
interpreter and without the GIL, can *run* the line at once, as a thread of a C library could.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

from covattach.errors import CovattachError, NoSafePoint, NotNow, NotPossible
from covattach.injector.debugger import Gdb, GdbError, GdbTimeout
from covattach.injector.injection import Injection
from covattach.injector.launcher import placed, wipe
from covattach.target.interpreter import Interpreter
from covattach.target.process import Process
from covattach.target.threads import Activity, activity

AMD64_SSE = Path(__file__).with_name("amd64_sse.xml")
INT_OF_NOTHING = "int(*)(void)"
RUN = "int(*)(const char*)"
ADD = "int(*)(int(*)(const char*),const char*)"
RELEASE = "void(*)(int)"


def inject(process: Process, interpreter: Interpreter, text: bytes, deadline: float) -> Injection:
    """Have the interpreter of `process` execute `text`, or arm it to do so.

    `deadline` is a time of `time.monotonic`.  Raises NotPossible, NotNow, NoSafePoint.
    """
    if interpreter.machine != "EM_X86_64":
        raise NotPossible(
            f"Process {process.pid} is not an x86-64 program, the only ones that gdb is used on.",
            "On Python 3.14 and later use `--method remote-exec`.",
        )
    with ExitStack() as stack:
        gdb = stack.enter_context(Gdb(AMD64_SSE))
        try:
            gdb.prepare(deadline)
            address = stack.enter_context(placed(process, interpreter, text))
            began = time.monotonic()
            gdb.attach(process.pid, deadline)
            how = execute(gdb, process, interpreter, address, deadline)
            if gdb.attached:
                gdb.detach(deadline)
            pause = time.monotonic() - began
        except GdbError as error:
            raise classify(str(error), process, gdb.transcript) from None
        except GdbTimeout:
            raise NoSafePoint(
                f"gdb did not get hold of process {process.pid} in time; it runs on untouched.",
                "Try again, or give it longer: `--timeout 60`.",
                details="\n".join(gdb.transcript),
            ) from None

    def cancel() -> None:
        wipe(process, address, len(text))

    return Injection("gdb", 1000 * pause, how, gdb.transcript, cancel)


def execute(
    gdb: Gdb, process: Process, interpreter: Interpreter, address: int, deadline: float
) -> str:
    """Run the line at `address` in the main thread, or arm it; return what was done."""
    main = activity(process, interpreter, process.pid)
    functions = interpreter.functions
    if main.idle and not holds_gil(gdb, functions, deadline):
        # One command, which gdb has whole before it begins: whatever becomes of us meanwhile, the
        # GIL is given back, and a thread that went on with it would end all others for good.
        ensure = f"(({INT_OF_NOTHING}){functions['PyGILState_Ensure']:#x})()"
        run = f"(({RUN}){functions['PyRun_SimpleString']:#x})((const char*){address:#x})"
        release = f"(({RELEASE}){functions['PyGILState_Release']:#x})($state)"
        gdb.command(f"set $state = {ensure}\noutput {run}\ncall {release}\ndetach", deadline)
        gdb.attached = 0
        return f"run in the main thread, which waited in {main.name}"
    add = f"(({ADD}){functions['Py_AddPendingCall']:#x})"
    run = f"({RUN}){functions['PyRun_SimpleString']:#x}"
    if gdb.value(f"{add}({run}, (const char*){address:#x})", deadline) != 0:
        raise NotNow(
            f"Process {process.pid} has too many pending calls to take one more.",
            "Try again in a moment.",
        )
    return f"armed for the main thread ({describe(main)})"


def describe(main: Activity) -> str:
    """Return why the line was not run at once."""
    return f"{main.name}, holding the GIL" if main.idle else main.name


def holds_gil(gdb: Gdb, functions: dict[str, int], deadline: float) -> bool:
    """Whether the stopped thread has the GIL, so that it is inside the interpreter after all."""
    return gdb.value(f"(({INT_OF_NOTHING}){functions['PyGILState_Check']:#x})()", deadline) != 0


def classify(message: str, process: Process, transcript: list[str]) -> CovattachError:
    """Return the error for the user that gdb's `message` stands for."""
    details = "\n".join(transcript)
    if "Operation not permitted" in message or "ptrace" in message:
        if process.is_alive() and process.tracer:
            return NotNow(
                f"Process {process.pid} is being debugged by process {process.tracer}.",
                "Detach that debugger first.",
                details,
            )
        return NotPossible(
            f"You may not attach a debugger to process {process.pid}.",
            "Run as root or as the process's user; in a container add `--cap-add SYS_PTRACE`;"
            " see /proc/sys/kernel/yama/ptrace_scope.",
            details,
        )
    if not process.is_alive():
        return NotNow(f"Process {process.pid} ended meanwhile.", "Look for its successor.", details)
    return NotPossible(
        f"gdb could not do its work on process {process.pid}: {message}",
        "Run again with `-v` to see what was said, or use another `--method`.",
        details,
    )
