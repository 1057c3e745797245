"""The verb `trace`, from its begin to its end: it streams function calls as they happen.

The request may have `include`, `omit`, `function`, `thread` (lists, see `filters`), `returns`,
`arguments` (booleans), `limit` (calls in all), `rate` (calls a second), `for` (seconds) and
`max_overhead` (per cent).
"""

from __future__ import annotations

import atexit
import sys
import time
from typing import Any

from ..errors import Refused
from ..server.protocol import Reply
from . import overhead_budget
from .event_buffer import EventBuffer, clock, counted
from .limits import CallLimits
from .monitoring_hook import MonitoringHook
from .profiler_hook import ProfileHook
from .stream import Stream

TICK = 0.02  # seconds between two looks at the events that were seen
REST = 0.2  # seconds between two looks for threads that have no hook
SAYING = 0.5  # seconds after which the client hears of the state, if of nothing else
MOST = 2048  # events in one message
LINGER = 1.0  # seconds in which the client must have taken the last message
OVERHEAD = 10.0  # per cent, where nothing else is said
NEVER = float("inf")


class Tracing:
    """Gives a session the verb `trace`; there is one trace at a time, run by the agent's thread.

    `listener` is the agent's `Listener`.  `unpatched(module, name)` returns a function as it was
    before gevent or eventlet replaced it.  A session in which nothing is measured ends with its
    trace.
    """

    def __init__(self, session: Any, listener: Any, unpatched: Any) -> None:
        self.session = session
        self.listener = listener
        self.unpatched = unpatched
        session.verbs["trace"] = self.begin
        self.calls: Any = None
        self.hook: Any = None
        self.stream: Any = None
        self.has_ended = False  # whether a trace has ended, for `maintain`

    @property
    def is_on(self) -> bool:
        """Whether a trace is under way."""
        return self.hook is not None

    def begin(self, request: dict[str, Any]) -> Reply:
        """Begin a trace by the request of the verb `trace`; on an error everything is undone.

        Raises Refused if one is under way, or the hook cannot be set.
        """
        if self.is_on:
            raise Refused("another covattach is tracing this process")
        self.close()  # remains of the one before
        self.calls = EventBuffer(request, self.unpatched)
        self.calls.threads.leave_out()
        self.hook = self.new_hook()
        try:
            costs = overhead_budget.calibrated(self.hook, EventBuffer({}, self.unpatched))
            percent = float(request.get("max_overhead") or OVERHEAD)
            self.budget = overhead_budget.OverheadBudget(percent, costs, self.calls)
            self.share = CallLimits(int(request.get("limit") or 0), float(request.get("rate") or 0))
            self.next_tick = self.next_rest = self.next_word = now = time.monotonic()
            self.ends = now + float(request["for"]) if request.get("for") else NEVER
            self.end_reason = ""
            self.is_end_sent = False  # whether the client knows why it ends
            self.looked_at = 0
            atexit.register(self.stop)
            self.hook.install()
            self.resume()
        except BaseException:
            self.stop()
            raise
        if self.session.measurement is None:
            self.session.ends = NEVER
        return {"stream": True, "python": ".".join(map(str, sys.version_info[:3]))}, []

    def new_hook(self) -> Any:
        """Return a new hook, of the kind that this Python version needs."""
        if sys.version_info >= (3, 12):
            return MonitoringHook(self.calls)
        return ProfileHook(self.calls)

    def follow(self, connection: Any) -> None:
        """Stream to `connection`, a `Socket`, from now on."""
        self.stream = Stream(connection, self.listener)

    def patience(self) -> float:
        """Return for how many seconds `maintain` has nothing to do; infinity without a trace."""
        if self.is_on:
            return max(self.next_tick - time.monotonic(), 0.0)
        return TICK if self.stream is not None else NEVER

    def resume(self) -> None:
        """Switch the hook on, for as many events as the budget allows."""
        self.calls.allowed = self.budget.allowed()
        if self.hook.off_since:
            self.calls.note_gap(self.hook.off_since)
        self.hook.resume()

    def maintain(self) -> None:
        """Look after a trace, if there is one; called often, acts when something is due."""
        if self.stream is not None:
            self.listener.was_useful = True  # the stream wakes us too, not only requests
            self.send_and_step()
        if self.has_ended and self.stream is None:
            self.has_ended = False
            self.session.is_over = self.session.is_over or self.session.measurement is None

    def send_and_step(self) -> None:
        """Send pending bytes, take a step at each tick, and end the trace or close it."""
        now = time.monotonic()
        self.stream.flush()
        if not self.is_on:
            if not self.stream.pending and self.end_reason and not self.is_end_sent:
                self.tell([])  # the client was behind when it ended, and has caught up
            if self.stream.is_gone or not self.stream.pending or now >= self.ends:
                self.close()
            return
        if self.stream.is_asked_to_end():
            self.end_reason = "asked"
        if now >= self.next_tick or self.end_reason:
            self.next_tick = now + TICK
            self.calls.threads.leave_out()  # after a fork the agent is another thread
            self.step(now)
        if self.end_reason or self.stream.is_gone:
            self.stop()

    def step(self, now: float) -> None:
        """Take the events of one tick, keep to the budget, and send those that are asked for.

        `now` is the monotonic time, in seconds.
        """
        is_on = self.hook.is_on
        events = [] if self.stream.pending else self.calls.take(MOST)
        self.budget.account(events, self.watched())
        if is_on and self.budget.is_used_up():
            self.hook.pause()
        elif is_on:
            self.calls.allowed = self.budget.allowed()
        elif self.budget.is_there_again():
            self.resume()
        if now >= self.next_rest:
            self.next_rest = now + REST
            self.hook.maintain()
        events = self.share.select(events, now)
        if now >= self.ends or self.share.is_complete:
            self.end_reason = "time" if now >= self.ends else "limit"
        if not self.stream.pending and (events or self.end_reason or now >= self.next_word):
            self.next_word = now + SAYING
            self.tell(events)

    def tell(self, events: list[tuple[Any, ...]]) -> None:
        """Send a message with `events` and the state; only to be called when nothing is pending."""
        self.is_end_sent = bool(self.end_reason)
        self.stream.put(events, self.facts())

    def watched(self) -> float:
        """Return for how many seconds the hook was on since this was last called."""
        since = max(self.looked_at, self.hook.on_since)
        self.looked_at = clock()
        until = self.looked_at if self.hook.is_on else self.hook.off_since
        return float(max(until - since, 0)) / 1e9

    def facts(self) -> dict[str, Any]:
        """Return the fields of a message besides events; each function and thread comes once."""
        return {
            **self.calls.take_new(),
            **self.budget.facts(),
            "dropped": counted(self.calls.drops),
            "left_out": self.share.left_out,
            "faults": counted(self.calls.faults),
            "is_on": self.is_on and self.hook.is_on,
            "end": self.end_reason,
        }

    def stop(self) -> None:
        """Uninstall the hook at once; the stream may stay open for its last message.

        Can be called at any time, also without a trace.
        """
        hook, self.hook = self.hook, None
        if hook is not None:
            atexit.unregister(self.stop)
            self.has_ended = True
            self.ends = time.monotonic() + LINGER
            hook.uninstall()
        if self.stream is not None and (self.stream.is_gone or not self.stream.pending):
            self.close()

    def close(self) -> None:
        """Close the stream."""
        stream, self.stream = self.stream, None
        if stream is not None:
            stream.close()
