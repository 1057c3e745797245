"""Recording: a window that belongs to a client, and ends with it.

The client holds a FIFO in the session's folder open for writing (fifo(7)), the lease.  When the
client dies, by any signal, the other end here says so at once, and nobody has to look meanwhile.  A
session that was begun just to record has such a lease too, and ends with it.
"""

from __future__ import annotations

import os
from typing import Any

from .. import session_files
from ..errors import BadRequest, Refused
from ..measure.first_calls import Entries
from ..server import protocol


class Recording:
    """Gives a session the verbs `record` and `recorded`; `door` is where leases are watched."""

    def __init__(self, session: Any, door: Any) -> None:
        self.session = session
        self.door = door
        self.entries: Any = None
        self.window = self.previous = ""
        self.lease = -1
        session.verbs.update(record=self.begin, recorded=self.end)
        path = os.path.join(session.place.path, session_files.LEASE)
        if os.path.exists(path):
            door.watch(path, self.end_session)

    def end_session(self) -> None:
        """End the session of somebody who has gone without doing so."""
        self.session.is_over = True

    def begin(self, request: dict[str, Any]) -> protocol.Reply:
        """Begin the window `window`, and note the order in which functions are entered in it.

        `lease` is the name of a FIFO in the session's folder; without one nobody watches.  Raises
        Refused if somebody is recording.
        """
        measurement = self.session.must_be_on()
        if self.entries is not None:
            raise Refused(f"another covattach is recording here, in the window {self.window!r}")
        if request.get("lease"):
            path = os.path.join(self.session.place.path, os.path.basename(str(request["lease"])))
            self.lease = self.door.watch(path, self.give_back)
            if self.lease < 0:
                raise BadRequest("whoever asked has gone")
        self.previous = measurement.snapshots.windows.name
        self.window = str(request["window"])
        self.entries = Entries(measurement.adoption)
        try:
            self.entries.begin()
            reply: protocol.Reply = self.session.mark(request)
        except BaseException:
            self.give_back()
            raise
        return reply

    def end(self, request: dict[str, Any]) -> protocol.Reply:
        """Go on with the window before; the reply lists the functions entered, in order."""
        entries = self.entries
        if entries is None:
            raise BadRequest("nobody is recording")
        self.give_back()
        snapshots = self.session.must_measure().snapshots
        reply = {"entered": entries.listed(snapshots.map_file), "is_full": entries.is_full}
        return {**self.session.facts(), **reply}, []

    def end_in_child(self) -> None:
        """Leave the recording to the parent; called in a forked child's only thread."""
        entries, self.entries = self.entries, None
        self.lease = -1
        if entries is not None:
            entries.end()
            self.session.measurement.snapshots.windows.begin(self.previous)

    def give_back(self) -> None:
        """End the window, unless somebody else has, and listen no more."""
        entries, self.entries = self.entries, None
        self.door.forget(self.lease)
        self.lease = -1
        measurement = self.session.measurement
        if entries is None or measurement is None or not measurement.is_on:
            return
        try:
            if measurement.snapshots.windows.name == self.window:
                self.session.mark({"window": self.previous})
        finally:
            entries.end()
