"""One session: finding it, taking snapshots, and its end."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from covattach.deadline import COMMAND
from covattach.errors import NoSession, NoTarget, NotNow, PayloadFailed
from covattach.interrupts import Interrupted
from covattach.payloads.agent.record_verbs import LEASE
from covattach.process import credentials
from covattach.process.owner import Owner
from covattach.process.process import Process
from covattach.session import agent_client, coverage_settings, trusted_record
from covattach.session.folder import Folder
from covattach.snapshot.saved_file import read_snapshot
from covattach.snapshot.snapshot import Snapshot, decode
from covattach.snapshot.witness import Witness
from covattach.untrusted import said

STOPPED = 1.0  # seconds for one that is stopped: it does what it is asked once it goes on
ENDING = 10.0  # seconds for the agent's thread to be gone after it has answered, at most
# What a Ctrl-C leaves behind while an answer is waited for.
ASKED = "process {pid} is measured on."
DUMPED = "process {pid} is measured on; whether from anew, its next dump tells."
MARKED = "process {pid} is measured on; `covattach status {pid}` tells in which window."
STOPPING = (
    "process {pid} was told to stop measuring; `covattach status {pid}` tells whether it has."
)


@dataclass
class Session:
    """A session, live or ended; `facts` are the agent's, or those in its folder.

    `first` is the first session of its tree, whose settings and working directory count for all.
    """

    pid: int
    folder: Folder
    facts: dict[str, Any]
    alive: bool
    first: Session | None = None
    record: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        """Read our record of the session's beginning, which the target's user cannot change."""
        self.record = trusted_record.of(self.folder)

    @property
    def leader(self) -> Session:
        """The session whose settings and working directory count."""
        return self.first or self

    @property
    def settings(self) -> dict[str, Any]:
        """The coverage settings that reports of this session are to follow."""
        one = self.leader
        trusted = bool(one.record) or one.folder.is_ours_alone
        return coverage_settings.reporting(one.said_at_start("settings", {}), trusted)

    @property
    def not_followed(self) -> list[str]:
        """A sentence if there are settings that do not count, for somebody could have made them."""
        one = self.leader
        left = one.said_at_start("settings", {}).keys() - self.settings.keys()
        left -= {"run:core", *coverage_settings.NOT_TAKEN}
        if not left or one.folder.owner is None:
            return []
        names = ", ".join(sorted(left))
        return [f"Not followed, as user {one.folder.owner.uid} could have changed it: {names}."]

    def said_at_start(self, name: str, default: Any) -> Any:
        """Return a fact of its beginning, from our record, or else from its folder."""
        return self.record.get(name, self.facts.get(name, default))

    @property
    def is_word_of(self) -> int | None:
        """The user on whose word alone an ended session rests, or None."""
        owner = self.folder.owner
        is_known = self.record.get("pid") == self.pid
        if self.alive or is_known or self.folder.is_ours_alone or owner is None:
            return None
        return owner.uid

    @property
    def is_leased(self) -> bool:
        """Whether it ends with the `record` that has begun it."""
        return self.folder.has(LEASE)

    @property
    def has_branches(self) -> bool:
        """Whether it was begun with branches."""
        return bool(self.leader.said_at_start("settings", {}).get("run:branch"))

    @property
    def cwd(self) -> Path:
        """The target's working directory when the session began."""
        return Path(str(self.leader.said_at_start("cwd", "/")))

    def witness(self, said_by: Iterable[Any] = (), sender: int = 0) -> Witness:
        """Return the witness of the session's words: all users who have a hand in it *now*.

        They are the folder's owner, the process's users, and `said_by`, the senders of a reply.
        Further groups are the process's: they count if it is the `sender`, itself and alone.
        """
        owners = [self.folder.owner or Owner(os.geteuid(), os.getegid())]
        owners += [Owner(uid, gid) for uid, gid in said_by]
        now = credentials.now(self.pid, self.facts.get("start_time"))
        if sender == self.pid:
            owners = [credentials.with_groups(one, now) for one in owners]
        owners += now
        return Witness(self.folder.root, str(self.cwd), credentials.least(owners))

    @property
    def origin(self) -> dict[str, Any]:
        """The origin of the data, to be noted in the data file."""
        names = ("command", "core", "branch", "python", "since")
        return {"pid": self.pid, **{name: self.facts.get(name) for name in names}}


def silent(process: Process) -> NotNow:
    """Return the error for a target whose agent is there, but does not answer."""
    if process.is_stopped:
        return NotNow(
            f"Process {process.pid} is suspended, by Ctrl-Z or SIGSTOP, and so is its measuring.",
            f"Let it run first: `kill -CONT {process.pid}`.",
        )
    return NotNow(
        f"Process {process.pid} is measured, but does not answer in time.",
        "It is very busy, or holds the GIL in C code: try again, or with `--timeout 2m`.",
    )


def payload_failed(traceback: str) -> PayloadFailed:
    """Return the error for a payload that could tell of its fault only by a file."""
    return PayloadFailed(
        "The payload failed in the target, and was undone.",
        "The traceback shows why; please report it if it is ours.",
        traceback,
    )


def snapshot(session: Session, reset: bool = False) -> tuple[Snapshot, float]:
    """Return the snapshot of a session, and the ms that the target worked on it.

    Of a process that has ended it is the last save.  Raises NoSession.
    """
    if session.alive:
        try:
            with interruptible(session.pid, DUMPED if reset else ASKED):
                header, blob = agent_client.ask(
                    session.folder, "dump", patience(session.pid), reset=reset
                )
            return told(session, header, blob), float(header.get("snapshot_ms", 0.0))
        except agent_client.NobodyThere:
            session.alive = False
        except agent_client.NoAnswer:
            raise silent(Process(session.pid)) from None
    return saved(session), 0.0


def told(session: Session, header: dict[str, Any], blob: bytes) -> Snapshot:
    """Return the snapshot in a reply, and whose word it is; raises SnapshotError."""
    return replace(
        decode(header, blob), witness=session.witness(header["said_by"], header["sender"])
    )


def mark(session: Session, name: str) -> dict[str, Any]:
    """Begin the window `name`, or continue it, and end the one before; return the agent's facts.

    The empty name ends a window without beginning another.  Raises NoSession.
    """
    if session.alive:
        with contextlib.suppress(agent_client.NobodyThere), interruptible(session.pid, MARKED):
            return agent_client.ask(session.folder, "mark", patience(session.pid), window=name)[0]
    raise agent_client.no_session(session.pid)


def patience(pid: int) -> float:
    """Return until when a process is waited for, as a time of `time.monotonic`."""
    deadline = COMMAND.current()
    return (deadline.within(STOPPED) if is_stopped(pid) else deadline).at


@contextlib.contextmanager
def interruptible(pid: int, words: str) -> Iterator[None]:
    """Ask a process in the body; a Ctrl-C meanwhile is raised with `words` on its consequences."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(f"Interrupted: {words.format(pid=pid)}") from None


def is_stopped(pid: int) -> bool:
    """Whether a process is stopped, so that its agent cannot answer."""
    try:
        return Process(pid).is_stopped
    except NoTarget:
        return False


def saved(session: Session) -> Snapshot:
    """Return the last snapshot that the target saved by itself; raises NoSession."""
    if not session.folder.has("snapshot"):
        raise NoSession(
            f"Process {session.pid} has ended, and had no time to save what it had executed.",
            "Next time have it saved now and then: `covattach start --every 30s`.",
        )
    try:
        return read(session, "snapshot")
    except OSError:  # it has just been removed
        raise agent_client.no_session(session.pid) from None


def read(session: Session, name: str) -> Snapshot:
    """Return the snapshot that the target has saved in a file; raises OSError, SnapshotError."""
    found = from_file(session.folder, name)
    return replace(found, facts=said(found.facts), witness=session.witness())


def from_file(place: Folder, name: str) -> Snapshot:
    """Return the snapshot in a file of a session's folder; raises OSError, SnapshotError."""
    with place.opened() as folder:
        return read_snapshot(Path(f"/proc/self/fd/{folder}/{name}"))


def stop(session: Session) -> Snapshot:
    """Stop measuring, remove every trace, and return the last snapshot; raises NoSession."""
    try:
        return end(session)
    finally:
        session.folder.remove()
        trusted_record.forget(session.folder)


def end(session: Session) -> Snapshot:
    """Stop measuring, and return the last snapshot; the folder may be left.

    Raises NoSession, and NotNow if it does not answer; it ends then as soon as it can.
    """
    if not session.alive:
        return saved(session)
    try:
        with interruptible(session.pid, STOPPING):
            header, blob = agent_client.ask(session.folder, "stop", patience(session.pid))
    except agent_client.NobodyThere:
        if session.folder.has("snapshot"):
            return saved(session)  # the target has ended meanwhile
        raise agent_client.no_session(session.pid) from None  # somebody else has stopped it
    except agent_client.NoAnswer:
        raise silent(Process(session.pid)) from None
    with contextlib.suppress(NoTarget):  # it has ended by itself
        wait_for_end(Process(session.pid), int(header.get("thread", 0)))
    return told(session, header, blob)


def wait_for_end(process: Process, thread: int) -> None:
    """Wait until the agent's thread is gone, so that no trace is left when `stop` returns."""
    deadline = COMMAND.current().within(ENDING)
    while thread in process.inner_threads and not deadline.is_over:
        time.sleep(0.002)
