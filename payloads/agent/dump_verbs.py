"""Dumping: hand out the measured data, as a snapshot or as coverage's own reports."""

from __future__ import annotations

import os
import time
from typing import Any

from ..server import protocol


class DumpVerbs:
    """Gives a session the verbs `status`, `dump`, `html` and `save`."""

    def __init__(self, session: Any) -> None:
        self.session = session
        session.verbs.update(status=self.status, dump=self.dump, html=self.html, save=self.save)

    def status(self, request: dict[str, Any]) -> protocol.Reply:
        """Return the session's facts, with the number of lines or arcs measured so far."""
        facts = self.session.facts()
        if self.session.measurement is not None:
            facts["points"] = self.session.measurement.snapshots.points()
        return facts, []

    def dump(self, request: dict[str, Any]) -> protocol.Reply:
        """Return a snapshot; with `reset` in the request, forget its data and begin anew.

        With `imports`, the default, it lists the modules that were imported before measuring began.
        """
        began, now = time.thread_time(), time.time()
        session = self.session
        snapshots = session.must_measure().snapshots
        taken = snapshots.taken() if request.get("reset") else None
        if not session.imported and request.get("imports", True):
            session.note_imports()  # in a forked child; a dump of the tree does not ask for them
        known = session.imported
        header, blob = snapshots.encode(taken)
        if taken is not None:
            snapshots.discard(taken)
            snapshots.windows.discard()
            if not session.disabled_reason:
                session.measurement.adoption.rearm(taken)
            session.note_imports()
        header["snapshot_ms"] = 1000 * (time.thread_time() - began)
        header["imported"] = known
        return {**session.facts(), **header, "taken": now}, blob

    def html(self, request: dict[str, Any]) -> protocol.Reply:
        """Have coverage write its HTML report to the request's `directory`, in the target."""
        measurement = self.session.must_be_on()
        with measurement.uses.excluded():
            percent = measurement.cov.html_report(directory=request["directory"])
        return {**self.session.facts(), "percent": percent}, []

    def save(self, request: dict[str, Any]) -> protocol.Reply:
        """Write a data file and an HTML report to the request's `directory`, in the target.

        This is the verb of payloads/dump.py.
        """
        measurement = self.session.must_be_on()
        os.makedirs(request["directory"], exist_ok=True)
        path = os.path.join(request["directory"], ".coverage")
        with measurement.uses.excluded():
            data = measurement.package.CoverageData(basename=path)
            data.update(measurement.cov.get_data())
            data.close()
        return self.html({"directory": os.path.join(request["directory"], "htmlcov")})
