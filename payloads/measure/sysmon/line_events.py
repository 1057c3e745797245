"""Line events of sys.monitoring, switched off in code whose lines have all been reported.

A callback of sys.monitoring switches off the one place that it was called for.  But a place that a
jump leads to within its line, as in each round of a comprehension's loop, is looked at each time
and never reported (CPython's Python/instrumentation.c, `_Py_call_instrumentation_line`).  It costs
10 to 40 % for good where programs do little else.  So lines in that code are no longer listened to,
once none is left to report.

From 3.13 on the same look misses the first line of a lambda, and of a function whose body stands
behind the colon of its `def`.  The line seems to go on, unless the function's entry is reported
too.  That is the case the first time; in a further window an instruction event tells of the line.

An application's threads come here, and a lock might be held by the very code that a signal handler
interrupts.  So there is none, and this relies on CPython's evaluation loop.  Other threads, and
signal handlers, get their turn at the end of a call, at the beginning of a function and where a
loop jumps back, and nowhere else.
"""

from __future__ import annotations

import sys
from types import CodeType
from typing import Any

SPAN = 256  # lines, from the first to the last, of code that is kept account of
RESUME = (lambda: None).__code__.co_code[0]  # the opcode that begins each code, after its prologue
CACHE = 0  # the opcode of an inline cache, behind some instructions (CPython's opcode_ids.h)
IS_MISSED = sys.version_info >= (3, 13)  # a line behind a colon is missed the second time


class Lines:
    """The lines of a code object that are not reported yet: `left`, as bits from line `first` on.

    `all` is the value of `left` at the beginning of a window, -1 for code that is not kept account
    of.  `missed` is the function's first line if no line event tells of it in a further window, or
    None.
    """

    __slots__ = ("all", "first", "left", "missed")

    def __init__(self, code: CodeType) -> None:
        entry, below = entrance(code)
        # The line of the `def` itself is left out: no instruction below the entry has it.
        spans = [
            (start, line)
            for start, end, line in code.co_lines()
            if line is not None and end > below
        ]
        lines = {line for _, line in spans}
        self.first = min(lines, default=0)
        self.all = -1  # no line ever makes that 0
        if lines and max(lines) - self.first < SPAN:
            self.all = sum(1 << (line - self.first) for line in lines)
        self.left = self.all
        # From 3.15 on a generator expression is entered twice: when it is made, and when it runs.
        is_missed = IS_MISSED and spans and (spans[0][0] <= entry or code.co_name == "<genexpr>")
        self.missed = spans[0][1] if is_missed else None


def entrance(code: CodeType) -> tuple[int, int]:
    """Return the offsets of a code object's RESUME instruction and of the next one, in bytes."""
    instructions = code.co_code[::2]
    entry = instructions.find(RESUME)
    below = entry + 1
    while instructions[below] == CACHE:
        below += 1
    return 2 * entry, 2 * below


class LineEventPruner:
    """Reports lines to coverage, and switches line events off in code with none left to report.

    `tracer` is a coverage.sysmon.SysMonitor.  Its `infos`, facts about code objects, get our
    `Lines` too.
    """

    def __init__(self, tracer: Any) -> None:
        monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
        events = monitoring.events
        self.tracer = tracer
        self.infos: dict[int, Any] = tracer.code_infos
        self.report = tracer.sysmon_line_arcs if tracer.trace_arcs else tracer.sysmon_line_lines
        self.listener: Any = self.on_line  # what is called for a line, by whichever event
        self.set_local_events = monitoring.set_local_events
        self.disable = monitoring.DISABLE
        self.instruction = events.INSTRUCTION
        self.rest = 0
        if tracer.trace_arcs:
            self.rest = events.PY_RETURN | events.BRANCH_LEFT | events.BRANCH_RIGHT
        self.all = events.LINE | self.rest

    def on_line(self, code: CodeType, line_number: int) -> Any:
        """Handle a line event: report it to coverage, and return coverage's answer.

        After the last line of `code`, line events are switched off there.
        """
        answer = self.report(code, line_number)
        info = self.infos.get(id(code))
        if info is None:
            return answer
        lines = vars(info).get("lines")
        if lines is None:
            lines = info.lines = Lines(code)
            if vars(info).get("plain"):
                lines.left = lines.all = -1  # line events have to tell which line comes next
        at = line_number - lines.first
        if 0 <= at < SPAN:
            # No other thread has its turn from here on: none can begin a window, or end it all.
            lines.left &= ~(1 << at)
            if not lines.left and self.tracer.sysmon_on:
                self.set_local_events(self.tracer.myid, code, self.rest)
        return answer

    def on_instruction(self, code: CodeType, offset: int) -> Any:
        """Handle an instruction event: report the function's first line if it would be missed.

        Returns DISABLE, so each instruction is seen once.
        """
        info = self.infos.get(id(code))
        lines = vars(info).get("lines") if info is not None else None
        if lines is not None and lines.missed is not None:
            here = [line for start, end, line in code.co_lines() if start <= offset < end]
            if here == [lines.missed]:
                # Again no other thread has a turn.  A window that begins right after has this line.
                if self.tracer.sysmon_on:
                    self.set_local_events(self.tracer.myid, code, self.all)
                self.listener(code, lines.missed)
        return self.disable

    def listen_again(self, info: Any) -> int:
        """Expect all lines of a code object again; return the events to set, 0 if it is new.

        `info` holds coverage's facts about the code object.  The events are a bit mask.
        """
        lines = vars(info).get("lines")
        if lines is None:
            return 0
        lines.left = lines.all
        return int(self.all if lines.missed is None else self.all | self.instruction)


def has_no_line_left(info: Any) -> bool:
    """Tell whether all lines of the code object with coverage's facts `info` have been reported."""
    lines = vars(info).get("lines")
    return lines is not None and not lines.left
