"""Calls a function once `os.fork` has returned in the parent; on 3.13 Python's hooks are too early.

From 3.12 on Python warns of a fork in a process with more than one thread.  3.13 counts the threads
after the hooks for the parent have run (Modules/posixmodule.c, os_fork_impl).  So a thread that
these start again is counted: under `-W error` the fork would raise.
"""

from __future__ import annotations

import sys
from types import CodeType, FrameType
from typing import Any

from ..interpreter import tool_ids

COUNTS_LATE = sys.version_info[:2] == (3, 13)
TOOLS = (3, 4, 5, 1, 2)  # tool ids to try: 1 and 2 last, which are meant for coverage, profilers


def after_fork(act: Any, forking: FrameType | None, tool: int | None) -> None:
    """Call `act` when `forking`, the frame that has called `os.fork`, goes on; or else at once.

    At once, where Python is not 3.13, no tool id is free, or `forking` is None.  It is None for a
    fork by C code, of which nobody is warned.  `tool` is a tool id of `sys.monitoring` that is
    ours; if it is None, a free one is taken meanwhile.
    """
    if not COUNTS_LATE or forking is None:
        act()
        return
    own = tool if tool is not None else tool_ids.take(TOOLS)
    if own is None:
        act()
    else:
        NextInstruction(act, forking.f_code, own, keep=tool is not None).wait()


class NextInstruction:
    """Calls `act` at the next instruction of `code`, once, by events of the tool id `tool`.

    With `keep` the tool id is not freed then.
    """

    def __init__(self, act: Any, code: CodeType, tool: int, keep: bool) -> None:
        self.monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
        self.code = code
        self.tool = tool
        self.keep = keep
        self.todo = [act]

    def wait(self) -> None:
        """Set up the event, and return at once; any thread that runs the code sets it off."""
        event = self.monitoring.events.INSTRUCTION
        self.monitoring.register_callback(self.tool, event, self.on_instruction)
        self.before = self.monitoring.get_local_events(self.tool, self.code)
        self.monitoring.set_local_events(self.tool, self.code, self.before | event)

    def on_instruction(self, code: CodeType, offset: int) -> Any:
        """Undo `wait` and call `act`; `sys.monitoring` calls this, in an application thread."""
        try:
            act = self.todo.pop()
        except IndexError:
            return self.monitoring.DISABLE  # another thread was here first
        self.monitoring.set_local_events(self.tool, self.code, self.before)
        self.monitoring.register_callback(self.tool, self.monitoring.events.INSTRUCTION, None)
        if not self.keep:
            self.monitoring.free_tool_id(self.tool)
        act()
        return self.monitoring.DISABLE
