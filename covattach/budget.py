"""The budget of a command: CPU time and memory for work on data that somebody else made.

    with budget.limited("The report", seconds=2, memory=1 << 20):     raises TooMuch
        …

The author of a file, a reply or a configuration decides how much work it is to read.  So each piece
of work has limits that are enough for honest data of its size.  Beyond these there is a reserve of
CPU time, shared by all pieces of work of a command.  When it is used up, each piece has its own
limits only.

CPU time is counted, not wall-clock time: on a loaded machine an honest report must not fail.  It is
checked by the handler of SIGPROF.  Python runs that between instructions, and inside of `re`
(Modules/_sre/sre_lib.h).  Other code in C is bounded by the size of its input, and by the memory
(setrlimit(2), RLIMIT_AS).
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

RESERVE = 4.0  # seconds of CPU beyond the limits, for a whole command
ROOM = 300 << 20  # bytes of address space beyond `memory`
# Bytes that a helper program, such as gdb, may take for a target beyond its present ones.
PROGRAM = 500 << 20
TICK = 0.05  # seconds of CPU between two calls of `look`
AGAIN = 0.5  # seconds of CPU after which work that has swallowed Overrun gets another
LEAST = 0.05  # seconds of CPU that each piece of work may take at least


class TooMuch(CovattachError):
    """A piece of work takes more time or memory than it may."""

    def __init__(self, what: str, of: str) -> None:
        """Name the work in `what`, and in `of` the resource that it exceeds: "time" or "memory"."""
        super().__init__(
            f"{what} takes too much {of}, and was given up.",
            "Something that the target says, or one of its files, is made so: look at it.",
        )
        self.reason = f"takes too much {of}"


class Overrun(BaseException):
    """The CPU time of a piece of work is exceeded; `except Exception` must not catch this."""


class Budget:
    """The CPU reserve of a command, and the limits of nested pieces of work, the innermost last."""

    def __init__(self) -> None:
        self.reserve = RESERVE
        self.own: float | None = None  # seconds for the work in progress, instead of the reserve
        self.silent = 0  # number of agents that have not answered in time
        self.ends: list[float] = []  # CPU times at which honest work is done
        self.given = resource.getrlimit(resource.RLIMIT_AS)  # the limits that we were started with
        self.is_deaf = False  # while a piece of work is being ended: no Overrun

    def renew(self) -> None:
        """Reset the reserve and the number of silent agents, at the beginning of a command."""
        self.reserve, self.silent = RESERVE, 0

    @contextlib.contextmanager
    def limited(
        self, what: str, seconds: float, memory: int = 0, own: float | None = None
    ) -> Iterator[None]:
        """Limit the CPU time and memory of the body, a piece of work named `what`; raises TooMuch.

        An honest body of this size takes at most `seconds` of CPU and `memory` bytes.  With `own`,
        it may take that many more seconds, instead of the command's reserve.  Only the main thread
        can be interrupted (Python's signal module): in other threads the body has no limit.
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
        """Set the limits of a piece of work; start the timer for the outermost one.

        `end` is the CPU time (of `time.process_time`) at which honest work is done.  `room` is the
        number of bytes that it may take in addition to those in use.
        """
        used = int(Path("/proc/self/statm").read_bytes().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        if not self.ends:
            self.given = resource.getrlimit(resource.RLIMIT_AS)
        # The memory of this work does not count for the work that it is a part of.
        self.confine(used + room)
        self.ends.append(end)
        if len(self.ends) == 1:
            # The handler stays: without it, a SIGPROF that is still pending would end us.
            signal.signal(signal.SIGPROF, self.look)
            signal.setitimer(signal.ITIMER_PROF, TICK, TICK)

    def confine(self, most: int) -> None:
        """Limit our address space to `most` bytes, and never to more than we were started with."""
        known = [limit for limit in (*self.given, most) if limit != resource.RLIM_INFINITY]
        resource.setrlimit(resource.RLIMIT_AS, (min(known), self.given[1]))

    def earn(self, seconds: float, memory: int) -> None:
        """Raise the limits of the innermost work, which has turned out to be larger.

        `seconds` of CPU and bytes of `memory` are added.
        """
        if self.ends and threading.current_thread() is threading.main_thread():
            self.ends[-1] += seconds
            self.confine(resource.getrlimit(resource.RLIMIT_AS)[0] + memory)

    def end(self, used: float) -> None:
        """Remove the limits of the innermost work, which took `used` seconds of CPU.

        These do not count for outer work.  CPU time beyond its limit is taken from the reserve.
        """
        over = max(time.process_time() - self.ends[-1], 0.0) if self.own is None else 0.0
        self.reserve = max(self.reserve - over, 0.0)
        self.ends = [end + used for end in self.ends[:-1]]
        if not self.ends:
            signal.setitimer(signal.ITIMER_PROF, 0)
        self.is_deaf = False

    def look(self, number: int, frame: FrameType | None) -> None:
        """Raise Overrun if the innermost work has exceeded its CPU time; the handler of SIGPROF.

        It is raised again AGAIN seconds later, in case it was swallowed (by a `__del__`, say).
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
    """Limit `pid`, a helper process of ours, to PROGRAM bytes more than now, and to no core dump.

    Address space that is only reserved, for each thread, does not count (RLIMIT_DATA of
    getrlimit(2)).  Does nothing if the process has ended.
    """
    with contextlib.suppress(OSError, IndexError):  # it has ended
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
        now = 1024 * int(status.partition("VmData:")[2].split()[0])
        given = resource.prlimit(pid, resource.RLIMIT_DATA)
        known = [limit for limit in given if limit != resource.RLIM_INFINITY]
        resource.prlimit(pid, resource.RLIMIT_DATA, (min([now + PROGRAM, *known]), given[1]))
        resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
