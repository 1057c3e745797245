"""Recording: a window of our own in a session that there is, or in one begun just for it.

    with attached(pid, options, tell) as found:     the session that there is, or a new one
        with window(found) as going:                a window of our own
            …
            ran = going.end()                       the lines that ran meanwhile

The window ends with this process, however it dies, and so does a session that was begun for it.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from covattach.attach import attach_process
from covattach.errors import BadUsage, CovattachError
from covattach.payloads.session_files import LEASE
from covattach.process.descendants import descendants
from covattach.process.interpreter import find_interpreter
from covattach.process.process import Process
from covattach.reports.functions import Entry, Part, check_entries, lines_of
from covattach.session import agent_client, agent_errors, waiting
from covattach.session.lease import Lease
from covattach.session.session import Session
from covattach.session.session_lookup import measuring
from covattach.snapshot.snapshot import Snapshot

Lines = dict[str, set[int]]
PREFIX = "record"
ENDED = "The process ended meanwhile: in which order its functions ran is not known."


@dataclass
class RecordedSession:
    """A session to record in; `is_ours` if the recording has begun it, and is to end it."""

    session: Session
    is_ours: bool


@dataclass(frozen=True)
class RecordedWindow:
    """The lines that one process ran in a window.

    `snapshot` holds these and no others; `entries` are in the order in which functions first ran.
    `before` are the lines that ran earlier in the session; None if the session began with the
    window, or if it is not known.  The window began at `began` of `time.monotonic`.
    """

    session: Session
    window: str
    snapshot: Snapshot
    entries: list[Entry] = field(default_factory=list)
    before: Lines | None = None
    began: float = 0.0
    warnings: list[str] = field(default_factory=list)


@dataclass
class Recording:
    """A window that is still open, named `window`, in the session `found`.

    `before` are the lines that ran earlier in the session; None if it began with the window.
    """

    found: RecordedSession
    window: str
    before: Lines | None
    lease: Lease
    began: float = field(default_factory=time.monotonic)  # in seconds

    def end(self) -> RecordedWindow:
        """End the window, and the session if it is ours; return the lines that ran in it.

        Raises NoSession for a process that has ended and saved nothing, and SnapshotError.
        """
        one = self.found.session
        reply, warnings = {}, []
        try:
            reply = agent_client.ask(one.folder, "recorded", waiting.patience(one.pid))[0]
        except agent_client.NoAnswer:
            one.alive = False
            warnings.append(ENDED)
        finally:
            self.lease.close()
        whole = one.stop()[0].snapshot if self.found.is_ours else one.snapshot().snapshot
        self.found.is_ours = False
        if reply.get("is_full"):
            warnings.append("So many functions ran that the order of the last ones is not known.")
        if reply.get("off"):
            warnings.append(f"{reply['off']}.")
        return RecordedWindow(
            session=one,
            window=self.window,
            snapshot=only(whole, self.window),
            entries=check_entries(reply.get("entered", [])),
            before=self.before,
            began=self.began,
            warnings=warnings,
        )


def only(snapshot: Snapshot, window: str) -> Snapshot:
    """Return a copy of `snapshot` with the lines of one window only."""
    return replace(snapshot, files=snapshot.windows.get(window, {}), windows={})


def with_descendants(pids: list[int]) -> list[int]:
    """Return `pids`, and those of their descendants that run Python."""
    found = dict.fromkeys(pids)
    for child in [child for pid in pids for child in descendants(pid)]:
        with contextlib.suppress(CovattachError):
            find_interpreter(Process(child))
            found[child] = None
    return list(found)


@contextlib.contextmanager
def attached(
    pid: int, options: attach_process.Options, tell: Callable[[str], None]
) -> Iterator[RecordedSession]:
    """Yield the session of `pid`: one that there is, or a new one that ends after the body.

    `tell` is called with each step in words.  Raises the errors of `attach_process.start`.
    """
    running = measuring(Process(pid))
    if running is not None:
        yield RecordedSession(running, is_ours=False)
        return
    lease = Lease()
    try:
        started, facts = attach_process.start(pid, replace(options, lease=lease), tell)
        found = RecordedSession(started, is_ours=not facts["already"])
        try:
            yield found
        finally:
            if found.is_ours:
                started.stop()
    finally:
        lease.close()


@contextlib.contextmanager
def window(found: RecordedSession, name: str | None = None) -> Iterator[Recording]:
    """Begin a window called `name`, or "record-1" and so on; it ends after the body at the latest.

    Raises BadUsage for a name that is taken, NoSession, and the errors of `agent_client.ask`.
    """
    one = found.session
    names = one.facts.get("windows") or []
    if name in names:
        raise BadUsage(
            f"There is a window {name!r} of process {one.pid} already.",
            "Choose another name: what it has would be taken for what runs now.",
        )
    new = name or next(
        free for number in range(1, len(names) + 2) if (free := f"{PREFIX}-{number}") not in names
    )
    before = None if found.is_ours else lines_of(one.snapshot().snapshot.files)
    lease = Lease()
    path = f"{LEASE}-{secrets.token_hex(4)}"
    try:
        lease.hold(one.folder, path)
        try:
            ask(one, window=new, lease=path)
        finally:
            one.folder.remove_file(path)
        yield Recording(found, new, before, lease)
    finally:
        lease.close()


def ask(one: Session, **request: Any) -> None:
    """Have the agent begin to record; raises NoSession, and the errors of `agent_client.ask`.

    `request` has the window's name, and the name of the lease with which it ends.
    """
    try:
        agent_client.ask(one.folder, "record", waiting.patience(one.pid), **request)
    except agent_client.NobodyThere:
        raise agent_errors.no_session(one.pid) from None


def window_of(one: Session, name: str) -> RecordedWindow:
    """Return the lines that ran in an earlier window `name`; raises BadUsage, NoSession."""
    snapshot = one.snapshot().snapshot
    if name not in snapshot.windows:
        known = ", ".join(filter(None, snapshot.windows)) or "none"
        raise BadUsage(
            f"There is no window {name!r} of process {one.pid}.",
            f"Choose from those that there are: {known}.",
        )
    return RecordedWindow(one, name, only(snapshot, name))


def parts(rans: list[RecordedWindow]) -> list[Part]:
    """Return the windows as parts for `functions`, with times since the first window began."""
    first = min(ran.began for ran in rans)
    return [
        Part(lines_of(ran.snapshot.files), ran.entries, ran.before, 1000 * (ran.began - first))
        for ran in rans
    ]
