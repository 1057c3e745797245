"""A session as the target sees it: one measurement, its verbs, and the times when it acts."""

from __future__ import annotations

import os
import time
from typing import Any

from ..coverage_import import coverage_package
from ..errors import BadRequest, Refused, do_all
from ..measure.measurement import Measurement
from ..measure.overhead import PERIOD, OverheadEstimate
from ..processes import tree
from ..server import protocol
from ..snapshot import imported_modules
from . import autosave
from .session_facts import facts_of

WAIT_FOR_START = 20.0  # seconds in which covattach must say what to measure
NEVER = float("inf")


class Session:
    """The measurement, once it has been started, and the verbs that requests call.

    `folder` is the SessionFolder, and `turn` the lock that each save holds.  A verb is a function:
    it takes the request, and returns the reply and its blob.  Other classes add theirs to `verbs`.
    `is_over` becomes true with the verb that ends the session, or when its time is over.
    """

    def __init__(self, folder: Any, turn: Any) -> None:
        self.folder = folder
        self.turn = turn
        self.measurement: Any = None
        self.autosave: Any = None
        self.tree: Any = None
        self.imported: dict[str, Any] = {}
        self.since = 0.0
        self.every = 0.0
        self.ends = time.monotonic() + WAIT_FOR_START
        self.next_save = self.next_look = NEVER
        self.overhead: Any = None
        self.disabled_reason = ""  # when and why measuring was disabled
        self.is_over = False
        self.has_saved = False
        self.verbs = {"start": self.start, "mark": self.mark, "stop": self.stop}

    def patience(self) -> float | None:
        """Return the seconds until timed work is due; None for never."""
        due = min(self.ends, self.next_save, self.next_look)
        return None if due == NEVER else max(due - time.monotonic(), 0.0)

    def on_time(self) -> None:
        """Do the work that is due: the end, an autosave, or an estimate of measuring's cost."""
        now = time.monotonic()
        if now >= self.ends:
            self.end_in_time()
        elif now >= self.next_save:
            self.autosave.save()
            self.next_save = now + self.every
        elif now >= self.next_look:
            self.next_look = now + PERIOD
            self.look()

    def end_in_time(self) -> None:
        """Save and end the session, whose time is over; if the save fails, only stop measuring."""
        if self.measurement is not None:
            self.autosave.save()
            self.has_saved = not self.autosave.fault
            if self.autosave.fault:
                self.ends = NEVER
                self.disable_measuring("its time was over, and " + self.autosave.fault)
                return
        self.is_over = True

    def start(self, request: dict[str, Any]) -> protocol.Reply:
        """Begin to measure; after an exception everything is undone, and the session is over.

        In the request, `every` and `for` are seconds: between saves, and until the end.
        `max_overhead` is in per cent of the time without measuring.
        """
        if self.measurement is None:
            limit = request.get("max_overhead")
            try:
                self.overhead = OverheadEstimate(float(limit)) if limit else None
                measurement = Measurement(request.get("options", {}))
                measurement.start()
                if self.overhead is not None:
                    self.overhead.begin(measurement)
            except BaseException:
                self.is_over = True
                raise
            self.measurement = measurement
            self.note_imports()
            self.autosave = autosave.Autosave(self.take, self.folder, self.turn)
            self.autosave.stop = measurement.stop
            self.autosave.install()
            self.since = time.time()
            now = time.monotonic()
            self.every = float(request.get("every") or 0)
            self.next_save = now + self.every if self.every else NEVER
            self.next_look = now
            self.ends = tree.until(request, now)
            if request.get("tree"):
                self.join(request)
        return self.facts(), []

    def join(self, request: dict[str, Any]) -> None:
        """Make this process part of the tree that `request` names, as the first one or another."""
        self.tree = tree.Tree(request, self.autosave.save)
        if self.folder.is_made and self.tree.folder == self.folder.path:
            tree.announce(request, self.ends)

    def look(self) -> None:
        """Take our place back from other tools; disable measuring if its overhead is too high."""
        self.measurement.missed()
        if self.overhead is None or not self.overhead.is_too_high(
            self.measurement.snapshots.held()
        ):
            return
        self.disable_measuring(
            f"it slowed the target down by about {self.overhead.percent:.0f} %, "
            f"and {self.overhead.limit:g} % are allowed"
        )

    def disable_measuring(self, why: str) -> None:
        """Stop measuring and save the data, which can still be requested; `why` is for users."""
        when = time.strftime("%Y-%m-%d %H:%M:%S")
        self.disabled_reason = f"Measuring was taken off at {when}: {why}"
        self.autosave.save()
        self.next_save = self.next_look = NEVER
        do_all(self.autosave.uninstall, self.measurement.stop)
        self.autosave.save()  # with the lines that ran until now

    def facts(self) -> dict[str, Any]:
        """Return the session's facts for users."""
        return facts_of(self)

    def note_imports(self) -> None:
        """Note the modules imported until now; where that fails, reports do without them."""
        try:
            self.imported = imported_modules.describe()
        except Exception as error:
            self.measurement.warnings.append(f"what was imported before is not known: {error!r}")

    def take(self) -> protocol.Reply:
        """Return a snapshot of now as header and blob, with all facts that a reader of it needs."""
        snapshots = self.measurement.snapshots
        taken = time.time()  # lines that ran until then are in it
        header, blob = snapshots.encode()
        header.update(taken=taken, off=self.disabled_reason, imported=self.imported)
        if self.tree is not None:
            header.update(pid=os.getpid(), role=self.tree.role)
        return header, blob

    def mark(self, request: dict[str, Any]) -> protocol.Reply:
        """End the current window, and begin, or continue, the one that the request names.

        The window before the first mark has the empty name.
        """
        began = time.perf_counter()
        name = str(request["window"])
        snapshots = self.must_be_on().snapshots
        previous = snapshots.windows.name
        if name != previous:
            self.measurement.adoption.rearm(snapshots.begin_window(name))
        elapsed = 1000 * (time.perf_counter() - began)
        return {**self.facts(), "previous": previous, "mark_ms": elapsed}, []

    def stop(self, request: dict[str, Any]) -> protocol.Reply:
        """Stop measuring and undo everything; the reply carries the last snapshot.

        There is none if nothing was measured yet, because a client gave up in the middle of a
        start.
        """
        self.is_over = True  # also if something below raises
        try:
            facts = self.facts()
            header, blob = ({}, []) if self.measurement is None else self.take()
        finally:
            self.stop_measuring()
        return {**facts, **header}, blob

    def must_measure(self) -> Any:
        """Return the measurement; raises BadRequest before there is one."""
        if self.measurement is None:
            raise BadRequest("nothing is measured yet")
        return self.measurement

    def must_be_on(self) -> Any:
        """Return the measurement; raises Refused if disabled, BadRequest if there is none yet."""
        if self.disabled_reason:
            raise Refused(self.disabled_reason)
        return self.must_measure()

    def stop_measuring(self) -> None:
        """Stop measuring and undo everything, even where a step raises; can be called twice."""
        self.is_over = True
        measurement, self.measurement = self.measurement, None
        last, self.autosave = self.autosave, None
        steps = [self.tree.uninstall] if self.tree is not None else []
        if measurement is not None:
            steps += [last.uninstall, measurement.stop, measurement.discard]
        do_all(*steps)

    def save_last(self) -> None:
        """Save the measured data, where the session ends by a fault."""
        if self.measurement is not None:
            self.autosave.save()
            self.has_saved = not self.autosave.fault

    def tool(self) -> int | None:
        """Return the tool id of `sys.monitoring` that the measurement uses, or None."""
        adoption = None if self.measurement is None else self.measurement.adoption
        return None if adoption is None else adoption.tool

    def follows_forks(self) -> bool:
        """Tell whether a child that is forked now is to be measured too."""
        return self.tree is not None and self.measurement is not None and not self.disabled_reason

    def after_fork_in_child(self, folder: Any, turn: Any) -> None:
        """Go on in a forked child with empty data; called in the child's only thread.

        `folder` and `turn` are the child's own.  The modules imported before the fork are forgotten
        here, as the parent reports them.
        """
        self.folder, self.turn = folder, turn
        self.has_saved = False
        self.imported = {}
        self.measurement.renew_lock()
        self.measurement.adoption.rearm(self.measurement.snapshots.begin_anew())
        self.autosave.after_fork_in_child(folder, turn)
        self.tree.after_fork_in_child()
        self.since, now = time.time(), time.monotonic()
        self.next_save = now + self.every if self.every else NEVER
        if self.overhead is not None:
            self.overhead.looks.clear()

    def stop_in_child(self) -> None:
        """Stop measuring in a child that was forked; called in the child's only thread."""
        coverage_package.discard_half_import()
        measurement, self.measurement = self.measurement, None
        if measurement is not None:
            measurement.renew_lock()
            do_all(self.autosave.uninstall, measurement.stop)
