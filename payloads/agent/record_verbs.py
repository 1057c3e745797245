"""The verbs `record` and `recorded`: a window that belongs to a client, and ends with it.

The client holds a FIFO in the session's folder open for writing (fifo(7)): the lease.  When the
client dies, by any signal, `poll` tells so at our end at once, and nobody has to look meanwhile.  A
session that was begun just to record has such a lease too, and ends with its client.
"""

from __future__ import annotations

import os
from typing import Any

from .. import session_files
from ..errors import BadRequest, Refused
from ..measure.first_calls import FirstCalls
from ..server import protocol


class RecordVerbs:
    """Gives a session the verbs `record` and `recorded`; `listener` is where leases are watched."""

    def __init__(self, session: Any, listener: Any) -> None:
        self.session = session
        self.listener = listener
        self.first_calls: Any = None
        self.window = self.previous = ""
        self.lease = -1
        session.verbs.update(record=self.begin, recorded=self.end)
        path = os.path.join(session.folder.path, session_files.LEASE)
        if os.path.exists(path):
            listener.watch(path, self.end_session)

    def end_session(self) -> None:
        """End the session, as the client that began it is gone."""
        self.session.is_over = True

    def begin(self, request: dict[str, Any]) -> protocol.Reply:
        """Begin the request's `window`, and note in which order functions are first entered.

        `lease` in the request is the name of a FIFO in the session's folder; without one, nothing
        ends the window with its client.  Raises Refused if another client records, BadRequest if
        this one is gone.
        """
        measurement = self.session.must_be_on()
        if self.first_calls is not None:
            raise Refused(f"another covattach is recording here, in the window {self.window!r}")
        if request.get("lease"):
            path = os.path.join(self.session.folder.path, os.path.basename(str(request["lease"])))
            self.lease = self.listener.watch(path, self.stop)
            if self.lease < 0:
                raise BadRequest("whoever asked has gone")
        self.previous = measurement.snapshots.windows.name
        self.window = str(request["window"])
        self.first_calls = FirstCalls(measurement.adoption)
        try:
            self.first_calls.begin()
            reply: protocol.Reply = self.session.mark(request)
        except BaseException:
            self.stop()
            raise
        return reply

    def end(self, request: dict[str, Any]) -> protocol.Reply:
        """End the recording and its window; the reply lists the functions entered, in order.

        Raises BadRequest if there is no recording.
        """
        calls = self.first_calls
        if calls is None:
            raise BadRequest("nobody is recording")
        self.stop()
        snapshots = self.session.must_measure().snapshots
        reply = {"entered": calls.listed(snapshots.map_file), "is_full": calls.is_full}
        return {**self.session.facts(), **reply}, []

    def discard_in_child(self) -> None:
        """End the recording in a forked child only; called in the child's only thread."""
        calls, self.first_calls = self.first_calls, None
        self.lease = -1
        if calls is not None:
            calls.end()
            self.session.measurement.snapshots.windows.begin(self.previous)

    def stop(self) -> None:
        """End the recording, its lease, and its window if that is still the current one."""
        calls, self.first_calls = self.first_calls, None
        self.listener.unwatch(self.lease)
        self.lease = -1
        measurement = self.session.measurement
        if calls is None or measurement is None or not measurement.is_measuring:
            return
        try:
            if measurement.snapshots.windows.name == self.window:
                self.session.mark({"window": self.previous})
        finally:
            calls.end()
