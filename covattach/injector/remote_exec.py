"""Injection by PEP 768: Python 3.14 and later, without a debugger and without any stop.

The interpreter describes its own structures (`_Py_DebugOffsets`, at the start of `_PyRuntime`,
Include/internal/pycore_debug_offsets.h).  So a writer needs nothing but /proc/PID/mem and, unlike
`sys.remote_exec`, no interpreter of the same version.

The main thread is armed first: its state is there until the interpreter ends.  If it is blocked,
and does not look, the others are armed too.  But only threads are armed that have been there all
the while and are alive now.  The memory of an ended thread's state may be somebody else's.  The
token in the session's folder makes the script run once.
"""

from __future__ import annotations

import contextlib
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from covattach.errors import NotNow, NotPossible
from covattach.injector.injection import Injection
from covattach.process.interpreter import COOKIE, Interpreter
from covattach.process.memory import Memory, open_memory
from covattach.process.process import Process
from covattach.process.runtime import check_python

# The number of words of 8 bytes in _Py_DebugOffsets, and the index of the native thread id's.
WORDS = {(3, 14): (95, 28), (3, 15): (111, 31)}
INTERPRETERS_HEAD, INTERPRETER_ID, INTERPRETER_NEXT = 5, 7, 8
THREADS_HEAD, THREADS_MAIN, THREAD_NEXT = 9, 10, 24
SCRIPT_PATH_SIZE = 512
# Bits of eval_breaker (Include/internal/pycore_ceval.h): please stop; and the ones that only mean
# "look again", which our read-modify-write might otherwise wipe when the target sets one just now.
# Not 1 << 0: a thread that drops the GIL on request waits until another one has taken it
# (Python/ceval_gil.c, drop_gil), for ever where none wants it.  One that does asks again.
PLEASE_STOP = 1 << 5
LOOK_AGAIN = 1 << 1 | 1 << 2
MOST_INTERPRETERS, MOST_THREADS = 10_000, 100_000
MAIN_FIRST = 0.1  # seconds for the main thread to look; it does so all the time unless blocked


@dataclass(frozen=True)
class Support:
    """Offsets, in bytes, of the fields that make up the debugger support."""

    interpreters_head: int
    interpreter_id: int
    interpreter_next: int
    threads_head: int
    threads_main: int
    thread_next: int
    native_id: int
    eval_breaker: int
    support: int
    enabled: int
    pending: int
    path: int
    path_size: int


class Disabled(Exception):
    """The interpreter has no remote debugging, or it was switched off."""


def read_support(memory: Memory, interpreter: Interpreter) -> Support:
    """Return the offsets for PEP 768; raises Disabled where the interpreter does not support it."""
    try:
        return support_in(memory, interpreter)
    except OSError as error:
        raise Disabled(f"its memory is not what it describes ({error})") from None


def support_in(memory: Memory, interpreter: Interpreter) -> Support:
    """Read the offsets for `read_support`; raises Disabled, and OSError where one leads nowhere."""
    if interpreter.version not in WORDS:
        raise Disabled("Python below 3.14 has no remote debugging")
    count, native_id = WORDS[interpreter.version]
    table = memory.read(interpreter.runtime, 8 * count)
    words = struct.unpack(f"<{count}Q", table)
    interpreters = (INTERPRETERS_HEAD, INTERPRETER_ID, INTERPRETER_NEXT)
    places = (*interpreters, THREADS_HEAD, THREADS_MAIN, THREAD_NEXT, native_id)
    support = Support(*(words[place] for place in places), *words[-6:])
    if not table.startswith(COOKIE) or support.path_size != SCRIPT_PATH_SIZE:
        raise Disabled("the interpreter describes itself in an unknown way")
    main = main_interpreter(memory, interpreter, support)
    if not main or not memory.read(main + support.enabled, 4)[0]:
        raise Disabled("remote debugging was switched off (-X disable-remote-debug)")
    return support


def main_interpreter(memory: Memory, interpreter: Interpreter, support: Support) -> int:
    """Return the address of the main interpreter's state, or 0; it is the last of the list."""
    state = memory.word(interpreter.runtime + support.interpreters_head)
    for _ in range(MOST_INTERPRETERS):
        if not state or not memory.word(state + support.interpreter_id):
            break
        state = memory.word(state + support.interpreter_next)
    return state


def is_available(process: Process, interpreter: Interpreter) -> bool:
    """Whether this target can be injected into by PEP 768; raises NotPossible without rights."""
    try:
        with open_memory(process) as memory:
            read_support(memory, interpreter)
    except Disabled:
        return False
    return True


def threads(memory: Memory, interpreter: Interpreter, support: Support) -> Iterator[int]:
    """Yield the addresses of the main interpreter's thread states; an ending one may end this."""
    state = memory.word(main_interpreter(memory, interpreter, support) + support.threads_head)
    for _ in range(MOST_THREADS):
        if not state:
            return
        yield state
        state = memory.word(state + support.thread_next)


def needed_support(process: Process, memory: Memory, interpreter: Interpreter) -> Support:
    """Return the offsets for PEP 768; raises NotPossible where that is not supported."""
    try:
        return read_support(memory, interpreter)
    except Disabled as reason:
        raise NotPossible(
            f"Process {process.pid} cannot be injected into without a debugger: {reason}.",
            "Use `--method gdb`.",
        ) from None


def inject(
    process: Process,
    interpreter: Interpreter,
    script: str,
    has_run: Callable[[], bool],
    deadline: float,
) -> Injection:
    """Have `process` execute the file `script` (a path in its own view), once.

    `has_run` returns whether a thread has executed it; `deadline` is a time of `time.monotonic`.
    Raises NotPossible, NotNow.
    """
    path = script.encode() + b"\0"
    with open_memory(process, to_inject=True) as memory:
        support = needed_support(process, memory, interpreter)
        before = existing(memory, interpreter, support)
        main = main_thread(memory, interpreter, support)
        if not main:  # a program that embeds Python has none; others only when they end
            check_python(process, interpreter)
        try:
            if main:
                arm(memory, support, main, path)
        except OSError as error:
            raise NotNow(
                f"The main thread of process {process.pid} is not where it says ({error}).",
                "It may be about to end: try again, or use `--method gdb`.",
            ) from None
        armed = int(bool(main))
        if not main or not waited_for(has_run, min(deadline, time.monotonic() + MAIN_FIRST)):
            armed += arm_others(process, memory, interpreter, support, path, before)

    def cancel() -> None:
        if process.is_alive():
            disarm(process, interpreter, support, path)

    return Injection("remote-exec", 0.0, f"armed in {armed} threads", [], cancel)


def main_thread(memory: Memory, interpreter: Interpreter, support: Support) -> int:
    """Return the address of the main thread's state; 0 if there is none, or no longer."""
    try:
        main = main_interpreter(memory, interpreter, support)
        return memory.word(main + support.threads_main)
    except OSError:
        return 0


def waited_for(has_run: Callable[[], bool], deadline: float, pace: float = 0.002) -> bool:
    """Call `has_run` every `pace` seconds until it is true, or `deadline`; return its result."""
    while not has_run():
        if time.monotonic() > deadline:
            return False
        time.sleep(pace)
    return True


def existing(memory: Memory, interpreter: Interpreter, support: Support) -> set[int]:
    """Return the addresses of the thread states that the walk of `threads` finds now."""
    found = set()
    with contextlib.suppress(OSError):
        for state in threads(memory, interpreter, support):
            found.add(state)
    return found


def known_threads(process: Process, interpreter: Interpreter) -> set[int]:
    """Return the ids of the threads that have a state in the main interpreter."""
    found, running = set(), process.inner_threads
    with open_memory(process) as memory, contextlib.suppress(OSError, Disabled):
        support = read_support(memory, interpreter)
        for state in threads(memory, interpreter, support):
            place = running.get(memory.word(state + support.native_id))
            if place is not None:
                found.add(int(place.name))
    return found


def arm_others(
    process: Process,
    memory: Memory,
    interpreter: Interpreter,
    support: Support,
    path: bytes,
    before: set[int],
) -> int:
    """Arm the threads that are alive and whose states were there `before`; return their number."""
    armed, running = 0, process.inner_threads
    for state in before & existing(memory, interpreter, support):
        with contextlib.suppress(OSError):
            thread = running.get(memory.word(state + support.native_id))
            # Looked at for each anew: the memory of an ended thread may be others' now.
            if thread is not None and thread.exists():
                arm(memory, support, state, path)
                armed += 1
    return armed


def arm(memory: Memory, support: Support, state: int, path: bytes) -> None:
    """Have the thread with this `state` execute `path` when it next looks at its eval_breaker."""
    memory.write(state + support.support + support.path, path)
    memory.write(state + support.support + support.pending, struct.pack("<i", 1))
    breaker = memory.word(state + support.eval_breaker)
    memory.write(
        state + support.eval_breaker, struct.pack("<Q", breaker | PLEASE_STOP | LOOK_AGAIN)
    )


def disarm(process: Process, interpreter: Interpreter, support: Support, path: bytes) -> None:
    """Withdraw the request from threads that have not run it: their state still has `path`."""
    with open_memory(process) as memory, contextlib.suppress(OSError):
        for state in threads(memory, interpreter, support):
            place = state + support.support
            if memory.read(place + support.path, len(path)) == path:
                memory.write(place + support.pending, struct.pack("<i", 0))
                memory.write(place + support.path, bytes(len(path)))
