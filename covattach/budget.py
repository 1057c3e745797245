"""The budget of a command: CPU time and memory for work on data that somebody else made.

    with budget.limited("The report", seconds=2, memory=1 << 20):     raises TooMuch
        …

Whoever makes a file, a reply or a configuration decides how much work it is to read.  Each piece of
work has limits that fit an honest one of its size.  Beyond that there is a reserve, which all
pieces share.  Once it is used up, each has its own limits and no more.

CPU time counts, because a loaded machine must not make an honest report fail.  The clock is
SIGPROF's: Python looks at it between instructions, and inside of `re` (Modules/_sre/sre_lib.h).
Other code in C is bounded by the size of its input, and by the memory (setrlimit(2), RLIMIT_AS).
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from covattach.errors import CovattachError

RESERVE = 4.0  # seconds of CPU, of a whole command
ROOM = 300 << 20  # bytes of address space, beyond an honest piece of work's
PROGRAM = (
    500 << 20
)  # bytes for a program of ours that looks at a target, beyond those for an honest one
TICK = 0.05  # seconds between two looks at the clock
AGAIN = 0.5  # seconds after which work that goes on all the same is interrupted again
LEAST = 0.05  # seconds for the smallest piece of work


class TooMuch(CovattachError):
    """A piece of work takes more time or memory than it may."""

    def __init__(self, what: str, of: str) -> None:
        """Name the piece of work, and the resource that it takes too much of: time or memory."""
        super().__init__(
            f"{what} takes too much {of}, and was given up.",
            "Something that the target says, or one of its files, is made so: look at it.",
        )
        self.reason = f"takes too much {of}"


class Overrun(BaseException):
    """The time is up: nothing that catches Exception is to catch it."""


class Budget:
    """The reserve of a command, and the pieces of work that are in progress, the innermost last."""

    def __init__(self) -> None:
        self.reserve = RESERVE
        self.own: float | None = None  # seconds of the work in progress, in place of the reserve
        self.silent = 0  # agents that have not answered in time
        self.ends: list[float] = []  # where honest work is done, of `time.process_time`
        self.given = resource.getrlimit(resource.RLIMIT_AS)  # by whoever has started us
        self.is_deaf = False  # while a piece of work is being ended

    def renew(self) -> None:
        """Begin a command: the reserve is whole again, and nobody has been silent."""
        self.reserve, self.silent = RESERVE, 0

    @contextlib.contextmanager
    def limited(
        self, what: str, seconds: float, memory: int = 0, own: float | None = None
    ) -> Iterator[None]:
        """Do a piece of work; raises TooMuch.

        Honest work of this size takes `seconds` of CPU and bytes of `memory`.  With seconds of its
        `own` beyond that it takes nothing of the command's reserve.  Only the main thread can be
        interrupted (Python's signal module): others have no limit.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        begun, outer = time.process_time(), self.own
        self.own = outer if own is None else own
        before = resource.getrlimit(resource.RLIMIT_AS)
        self.begin(begun + max(seconds, LEAST), memory + ROOM)
        try:
            try:
                yield
            finally:
                self.is_deaf = True
        except Overrun:
            self.is_deaf = True
            raise TooMuch(what, "time") from None
        except MemoryError:
            raise TooMuch(what, "memory") from None
        finally:
            resource.setrlimit(resource.RLIMIT_AS, before)
            self.end(time.process_time() - begun)
            self.own = outer

    def begin(self, end: float, room: int) -> None:
        """Begin a piece of work, honest until `end`, with `room` bytes more than are in use."""
        used = int(Path("/proc/self/statm").read_bytes().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        if not self.ends:
            self.given = resource.getrlimit(resource.RLIMIT_AS)
        # What is honest of this work is not taken from the work that it is a part of.
        self.confine(used + room)
        self.ends.append(end)
        if len(self.ends) == 1:
            # It stays ours: a signal that is on its way would end us otherwise.
            signal.signal(signal.SIGPROF, self.look)
            signal.setitimer(signal.ITIMER_PROF, TICK, TICK)

    def confine(self, most: int) -> None:
        """Have at most so many bytes of address space; no more than we were started with."""
        known = [limit for limit in (*self.given, most) if limit != resource.RLIM_INFINITY]
        resource.setrlimit(resource.RLIMIT_AS, (min(known), self.given[1]))

    def earn(self, seconds: float, memory: int) -> None:
        """Raise the limits of the work in progress, which has turned out to be larger."""
        if self.ends and threading.current_thread() is threading.main_thread():
            self.ends[-1] += seconds
            self.confine(resource.getrlimit(resource.RLIMIT_AS)[0] + memory)

    def end(self, used: float) -> None:
        """End the innermost piece of work, which took `used` seconds: no time of the outer ones."""
        over = max(time.process_time() - self.ends[-1], 0.0) if self.own is None else 0.0
        self.reserve = max(self.reserve - over, 0.0)
        self.ends = [end + used for end in self.ends[:-1]]
        if not self.ends:
            signal.setitimer(signal.ITIMER_PROF, 0)
        self.is_deaf = False

    def look(self, number: int, frame: FrameType | None) -> None:
        """Look at the clock; raises Overrun where the time is up.

        Once more after a while, should it have been swallowed (by a `__del__`, say).
        """
        now = time.process_time()
        left = self.reserve if self.own is None else self.own
        if self.ends and now > self.ends[-1] + left and not self.is_deaf:
            if self.own is None:
                self.reserve = 0.0
            self.ends[-1] = now + AGAIN
            raise Overrun


BUDGET = Budget()
limited = BUDGET.limited


def confine_program(pid: int) -> None:
    """Let a program of ours have PROGRAM bytes more than now; it leaves no core where it fails.

    Address space that is only reserved, for each thread, does not count (RLIMIT_DATA of
    getrlimit(2)).
    """
    with contextlib.suppress(OSError, IndexError):  # it has ended
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
        now = 1024 * int(status.partition("VmData:")[2].split()[0])
        given = resource.prlimit(pid, resource.RLIMIT_DATA)
        known = [limit for limit in given if limit != resource.RLIM_INFINITY]
        resource.prlimit(pid, resource.RLIMIT_DATA, (min([now + PROGRAM, *known]), given[1]))
        resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
