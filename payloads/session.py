"""A session as the target sees it: one measurement, what it can be asked, when it is due to act."""

from __future__ import annotations

import os
import time
from typing import Any

from . import ending, wire
from .measure import Measurement

WAIT_FOR_START = 20.0  # seconds in which covattach must say what to measure
NEVER = float("inf")


class Session:
    """The measurement once it has been started, and the verbs of the wire.

    `folder` is the path of the session's folder and `handler` the SIGTERM handler of `launch`, or
    None.  A verb takes the request and returns the reply with its blob; `is_over` becomes true
    with the one that ends the session, or with the time that it was given.
    """

    def __init__(self, folder: str, handler: Any) -> None:
        self.folder = folder
        self.handler = handler
        self.measurement: Any = None
        self.last: Any = None
        self.since = 0.0
        self.every = 0.0
        self.ends = time.monotonic() + WAIT_FOR_START
        self.next_save = NEVER
        self.is_over = False
        self.has_saved = False
        self.verbs = {
            "start": self.start,
            "status": self.status,
            "dump": self.dump,
            "html": self.html,
            "save": self.save,
            "stop": self.stop,
        }

    def patience(self) -> float | None:
        """Return for how many seconds nothing is to be done unless asked; None for ever."""
        due = min(self.ends, self.next_save)
        return None if due == NEVER else max(due - time.monotonic(), 0.0)

    def on_time(self) -> None:
        """Do what is due: an autosave, or the end."""
        now = time.monotonic()
        if now >= self.ends:
            self.is_over = True
            if self.measurement is not None:
                self.last.save()
                self.has_saved = True
        elif now >= self.next_save:
            self.last.save()
            self.next_save = now + self.every

    def start(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Begin to measure; on a fault everything is undone and the session is over.

        `every` and `for` are seconds: how often to save, and after how long to end.
        """
        if self.measurement is None:
            try:
                measurement = Measurement(request.get("options", {}))
                measurement.start()
            except BaseException:
                self.is_over = True
                raise
            self.measurement = measurement
            self.last = ending.LastSave(self.take, self.folder + "/snapshot", self.handler)
            self.last.arm()
            self.since = time.time()
            now = time.monotonic()
            self.every = float(request.get("every") or 0)
            self.next_save = now + self.every if self.every else NEVER
            self.ends = now + float(request["for"]) if request.get("for") else NEVER
        return self.facts(), b""

    def status(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Say what is measured, how, and since when."""
        return self.facts(), b""

    def facts(self) -> dict[str, Any]:
        """Return what a user may want to know."""
        facts: dict[str, Any] = {"measuring": self.measurement is not None}
        if self.measurement is not None:
            facts.update(self.measurement.facts(), since=self.since)
            if self.last.fault:
                facts["warnings"] = [*facts["warnings"], self.last.fault]
        return facts

    def take(self) -> tuple[dict[str, Any], bytes]:
        """Return a snapshot of now, with what a reader of it alone needs to know."""
        snapshots = self.measurement.snapshots
        header, blob = snapshots.encode(snapshots.copy())
        header["taken"] = time.time()
        return header, blob

    def dump(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Return a snapshot; with `reset`, begin anew with what comes after it."""
        began = time.perf_counter()
        snapshots = self.must_measure().snapshots
        taken = snapshots.copy()
        header, blob = snapshots.encode(taken)
        if request.get("reset"):
            snapshots.forget(taken)
            self.measurement.adoption.rearm()
        header["snapshot_ms"] = 1000 * (time.perf_counter() - began)
        return {**self.facts(), **header, "taken": time.time()}, blob

    def html(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Make coverage's own HTML report here, in the target, in `directory`."""
        percent = self.must_measure().cov.html_report(directory=request["directory"])
        return {**self.facts(), "percent": percent}, b""

    def save(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Write a data file and coverage's HTML report, here, in `directory`: for `dump.py`."""
        measurement = self.must_measure()
        os.makedirs(request["directory"], exist_ok=True)
        path = os.path.join(request["directory"], ".coverage")
        data = measurement.package.CoverageData(basename=path)
        data.update(measurement.cov.get_data())
        data.close()
        return self.html({"directory": os.path.join(request["directory"], "htmlcov")})

    def stop(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Stop measuring and undo everything; the reply carries the last snapshot.

        Without one where nothing was measured yet: somebody has given up in the middle of a start.
        """
        facts = self.facts()
        header, blob = ({}, b"") if self.measurement is None else self.take()
        self.end()
        return {**facts, **header}, blob

    def must_measure(self) -> Any:
        """Return the measurement; raises BadRequest before there is one."""
        if self.measurement is None:
            raise wire.BadRequest("nothing is measured yet")
        return self.measurement

    def end(self) -> None:
        """Stop measuring and give everything back; does nothing the second time."""
        self.is_over = True
        measurement, self.measurement = self.measurement, None
        if measurement is not None:
            try:
                self.last.disarm()
            finally:
                measurement.stop()
        elif self.handler is not None:
            ending.give_sigterm_back(self.handler)
        self.handler = None

    def leave_child(self) -> None:
        """Stop measuring in a child that was forked; called in the child's only thread."""
        measurement, self.measurement = self.measurement, None
        if measurement is not None:
            measurement.renew_locks()
            self.last.disarm()
            measurement.stop()
