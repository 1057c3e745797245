"""Injection by gdb: Python 3.9 to 3.13, and later ones where PEP 768 is switched off.

Where a thread is stopped decides which functions may be called on it.  At an arbitrary instruction
it may hold any lock, so the line is only *armed*.  `Py_AddPendingCall` takes a short lock of its
own, and the main thread runs the line at its next safe point.  A main thread that is blocked would
never get there.  But one that waits in an idle system call is outside of the interpreter and
without the GIL.  It can *run* the line at once, as a thread of a C library could.

gdb calls nothing.  It sends the main thread on a detour (x86_64/detour.py) and lets it go.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from covattach.errors import CovattachError, NoSafePoint, NoTarget, NotNow, NotPossible
from covattach.injector.architecture import Detour, detour, support
from covattach.injector.gdb_driver import Gdb, GdbError, GdbTimeout
from covattach.injector.injection import Injection
from covattach.process.interpreter import Interpreter
from covattach.process.memory import ended, open_memory
from covattach.process.process import Process, may_not
from covattach.process.runtime import no_python_any_more
from covattach.process.thread_activity import Activity, activity, to_send, traces_of_moving

Text = Callable[[int], bytes]
# How many gdb may run at once, as for a tree: without a processor to itself, a gdb is slow, and its
# target is stopped meanwhile.
TURNS = threading.BoundedSemaphore((os.cpu_count() or 1) + 1)
MOMENT = 1.0  # seconds until a sampling profiler has let go of the process
STUCK = 2.0  # seconds after which a thread that waits for the lock of pending calls never gets it


def inject(process: Process, interpreter: Interpreter, text: Text, deadline: float) -> Injection:
    """Have a new thread in `process` execute the line, or arm the interpreter to start that thread.

    `text` returns the line, given the identifier of the main thread.  `deadline` is a time of
    `time.monotonic`.  Raises NotPossible, NotNow, NoSafePoint.
    """
    support.check(process, interpreter)
    with open_memory(process) as memory:
        way = detour.find(process, interpreter, memory)
    try:
        with turn(process, deadline), Gdb(support.REGISTERS) as gdb:
            return GdbInjection(gdb, process, interpreter, way, text, deadline).by_detour()
    except BaseException:
        clear(process, way)
        raise


def clear(process: Process, way: Detour) -> None:
    """Remove the line from the memory of a detour; does nothing if the process has ended."""
    with contextlib.suppress(OSError, NotNow, NoTarget), open_memory(process) as memory:
        way.clear(memory)


@contextlib.contextmanager
def turn(process: Process, deadline: float) -> Iterator[None]:
    """Take one of the TURNS, in the body; raises NoSafePoint if none is free until the deadline."""
    if not TURNS.acquire(timeout=max(deadline - time.monotonic(), 0.0)):
        raise NoSafePoint(
            f"No gdb was free for process {process.pid} in time; it runs on untouched.",
            "Try again, or give it longer: `--timeout 60`.",
        )
    try:
        yield
    finally:
        TURNS.release()


@dataclass
class GdbInjection:
    """One injection by gdb: the target, the detour `way` that there is room for, and the line.

    `text` returns the line, given the main thread's identifier.  `deadline` is a time of
    `time.monotonic`.
    """

    gdb: Gdb
    process: Process
    interpreter: Interpreter
    way: Detour
    text: Text
    deadline: float

    def cancel(self) -> None:
        """Withdraw the line, if it has not run yet."""
        clear(self.process, self.way)

    def by_detour(self) -> Injection:
        """Send a thread on the detour, and wait until it has returned; raises CovattachErrors."""
        try:
            before = traces_of_moving(self.process, self.process.pid)
            self.gdb.prepare(self.deadline)
            tid = to_send(self.process, self.interpreter, before)
            began = time.monotonic()
            self.attach()
            sent = self.send(tid)
            pause = time.monotonic() - began
            pause += self.bring_back()
            how = self.outcome(sent)
        except (GdbError, OSError) as error:  # OSError: its memory, where it has ended
            raise classify(str(error), self.process, self.gdb.transcript) from None
        except GdbTimeout:
            raise NoSafePoint(
                f"gdb did not get hold of process {self.process.pid} in time; it runs on"
                " untouched.",
                "Try again, or give it longer: `--timeout 60`.",
                details="\n".join(self.gdb.transcript),
            ) from None
        keeps_gil = sent.idle and how.startswith("armed")
        return Injection("gdb", 1000 * pause, how, self.gdb.transcript, self.cancel, keeps_gil)

    def attach(self) -> None:
        """Attach gdb; for MOMENT seconds, retry if another tracer has the process; raises GdbError.

        The kernel refuses a second tracer with the same error as one without the right.
        """
        until = min(self.deadline, time.monotonic() + MOMENT)
        while True:
            try:
                self.gdb.attach(self.process.pid, self.deadline)
            except GdbError as error:
                if "Operation not permitted" not in str(error) or time.monotonic() > until:
                    raise
                time.sleep(0.001)
            else:
                return

    def send(self, tid: int) -> Activity:
        """Send the stopped thread `tid` on the detour; return the activity of the thread sent.

        `tid` is the main thread, or one in an idle call.  If it is no longer idle, the main thread
        is sent.
        """
        sent = activity(self.process, self.interpreter, tid)
        # glibc's pthread_t is the address of the thread's own block, to which this register points.
        main = self.gdb.value(f"(unsigned long)${support.THREAD_BLOCK}", self.deadline)
        if tid != self.process.pid and sent.idle:
            self.gdb.select(tid, self.deadline)
        else:
            sent = activity(self.process, self.interpreter, self.process.pid)
        back = self.gdb.value(f"(unsigned long)${support.PROGRAM_COUNTER}", self.deadline)
        with open_memory(self.process, to_inject=True) as memory:
            if self.way.has(back) or self.way.state(memory) == detour.INSIDE:
                raise detour.still_inside(self.process)
            self.way.place(memory, self.text(main), back, run=sent.idle)
        # The first is the only change, and atomic; after it, gdb or we may be killed without harm.
        self.gdb.command(
            f"set ${support.PROGRAM_COUNTER} = {self.way.entry:#x}\ndetach", self.deadline
        )
        self.gdb.attached = 0
        return sent

    def bring_back(self) -> float:
        """Wait until the thread has returned; return for how many seconds it was stopped once more.

        A thread that arms the line waits for itself if it held the lock of the pending calls when
        it was stopped.  After STUCK seconds it is sent to the way out.  One that starts the line
        may wait for the GIL, until the deadline.
        """
        began, pause = time.monotonic(), 0.0
        while self.process.is_alive() and time.monotonic() < self.deadline:
            with open_memory(self.process) as memory:
                if self.way.state(memory) == detour.HOME:
                    break
                arming = self.way.is_arming(memory)
            if arming and not pause and time.monotonic() > began + STUCK:
                stopped = time.monotonic()
                self.gdb.attach(self.process.pid, self.deadline)
                main = activity(self.process, self.interpreter, self.process.pid)
                with open_memory(self.process) as memory:
                    stuck = main.name in ("futex", "restart_syscall") and self.way.is_arming(memory)
                leave = f"set ${support.PROGRAM_COUNTER} = {self.way.way_out:#x}\n" if stuck else ""
                self.gdb.command(f"{leave}detach", self.deadline)
                self.gdb.attached = 0
                pause = time.monotonic() - stopped
            time.sleep(0.0005)
        return pause

    def outcome(self, sent: Activity) -> str:
        """Return the result of the detour, as a text for `-v`; raises NotNow, NoSafePoint.

        `sent` is the activity of the thread before it was sent.
        """
        if not self.process.is_alive():
            raise ended(self.process, "\n".join(self.gdb.transcript))
        with open_memory(self.process) as memory:
            result, returned = self.way.result(memory)
        if result == detour.STARTED and not returned:
            which = "the main thread" if sent.tid == self.process.pid else f"thread {sent.tid}"
            return f"run in a thread that {which} has started, which waited in {sent.name}"
        if result == detour.ARMED and not returned:
            return f"armed for the main thread ({sent.name})"
        if result:
            raise refusal(self.process, result)
        raise NoSafePoint(
            f"Process {self.process.pid} reached no safe point in time; it runs on untouched.",
            "It is busy in C code or blocked: try again, or give it longer: `--timeout 60`.",
            "\n".join(self.gdb.transcript),
        )


def refusal(process: Process, result: int) -> CovattachError:
    """Return the error for a `result` by which the line was neither started nor armed."""
    if result == detour.ABSENT:
        return no_python_any_more(process)
    if result == detour.ARMED:
        return NotNow(
            f"Process {process.pid} has too many pending calls to take one more.",
            "Try again in a moment.",
        )
    return NotNow(
        f"Process {process.pid} can have no further thread: its limit of threads or memory is"
        " reached.",
        f"Give it more: see `prlimit --pid {process.pid}`, --nproc and --as.",
    )


def classify(message: str, process: Process, transcript: list[str]) -> CovattachError:
    """Return the error for the user that gdb's `message` stands for."""
    details = "\n".join(transcript)
    if message == "gdb has ended" and process.is_alive():
        return NotNow(
            f"gdb ended, or was killed, while it attached to process {process.pid}, which runs on.",
            "Try again; with `-v` gdb's last words are shown.",
            details,
        )
    if "Operation not permitted" in message or "ptrace" in message:
        if process.is_alive() and process.tracer:
            return NotNow(
                f"Process {process.pid} is being debugged by process {process.tracer}.",
                "Detach that debugger first.",
                details,
            )
        return may_not(process, details)
    if not process.is_alive():
        return ended(process, details)
    return NotPossible(
        f"gdb could not do its work on process {process.pid}: {message}",
        "Run again with `-v` to see what was said, or use another `--method`.",
        details,
    )
