"""Client of the agent's socket: sends one request, and receives one reply.

The server's side is payloads/server/protocol.py.
"""

from __future__ import annotations

import collections
import json
import os
import socket
import stat
import struct
import time
from typing import Any

from covattach import untrusted
from covattach.budget import BUDGET
from covattach.errors import NotNow, NotPossible
from covattach.payloads import session_files
from covattach.payloads.server.protocol import PROTOCOL
from covattach.session import agent_errors
from covattach.session.folder import SessionFolder
from covattach.session.repairs import REPAIRS

LONGEST_HEAD = 1 << 25  # bytes; 100,000 files with long names are 20 MB
LONGEST_BLOB = 80 << 20  # bytes; ten million executed lines are 50 MB, or 80 as words
SLOWEST = 1 << 20  # bytes a second: the slowest that a reply may come once it has begun
PAUSE = 8  # seconds that such a reply may take beyond that
PART = 1 << 18  # bytes received at a time
PLACE = 2.0  # seconds to wait, at most, while the socket's queue of connections is full
CREDENTIALS = struct.Struct("iII")  # the kernel's struct ucred: PID, user, group
# Once MOST_SILENT agents have timed out in a command, each further one has IMPATIENT seconds only.
MOST_SILENT, IMPATIENT = 32, 1.0
# The facts that a reply to each verb must have; untrusted.py drops those of the wrong type.
FACTS = ("python", "core", "coverage", "branch", "warnings")
NEEDED = collections.defaultdict(
    tuple, start=FACTS, status=FACTS, mark=("previous", "windows", "mark_ms")
)


class NoAnswer(Exception):
    """The agent has not answered in time, or its queue of connections is full."""


class NobodyThere(NoAnswer):
    """The agent has gone: no socket, no connection, or a reply that is cut off or malformed."""


class Unheard(NobodyThere):
    """The connection to an existing socket failed, and it is safe to send the request again."""


def ask(
    folder: SessionFolder, verb: str, deadline: float, **arguments: Any
) -> tuple[dict[str, Any], bytes]:
    """Send a request to the agent of `folder`; return the header of its reply, and its binary part.

    `verb` names the request, and `arguments` are its further fields.  `deadline` is a time of
    `time.monotonic`.  In the header, `said_by` and `sender` come from the kernel: the sender's
    users with their groups, and its PID, or 0 if that is not known here.  Raises NoAnswer, NotNow
    for a reply that lacks facts, and the error that the agent reports: PayloadFailed, NotPossible,
    NotNow.
    """
    if BUDGET.silent >= MOST_SILENT:
        deadline = min(deadline, time.monotonic() + IMPATIENT)
    began = time.monotonic()
    while True:
        try:
            header, blob = answered(folder, verb, deadline, **arguments)
            break
        except Unheard:
            if not REPAIRS.is_likely(folder, began, deadline):
                raise
    if "error" in header:
        raise agent_errors.reported(header)
    for name in NEEDED[verb if header.get("measuring") or verb != "status" else ""]:
        if name not in header:
            raise NotNow(
                f"The target's answer makes no sense: it does not tell the {name}.",
                "Something in the target has changed what covattach put there: restart it.",
            )
    return header, blob


def answered(
    folder: SessionFolder, verb: str, deadline: float, **arguments: Any
) -> tuple[dict[str, Any], bytes]:
    """Send a request once, without a retry; return the reply's header and blob. Raises NoAnswer."""
    try:
        with asked(folder, verb, deadline, **arguments) as connection:
            return receive(connection, deadline)
    except BlockingIOError as error:
        raise NoAnswer("too many wait at the door") from error
    except TimeoutError as error:
        BUDGET.silent += 1
        raise NoAnswer("timed out") from error
    except ConnectionError as error:
        safe = verb in ("status", "dump") and not arguments.get("reset")
        kind = Unheard if safe or isinstance(error, ConnectionRefusedError) else NobodyThere
        raise kind(str(error)) from error
    except (OSError, ValueError, NotPossible) as error:
        raise NobodyThere(str(error)) from error  # it ended in the middle of it


def asked(folder: SessionFolder, verb: str, deadline: float, **arguments: Any) -> socket.socket:
    """Send a request, and return the connection for its reply. Raises OSError, NotPossible."""
    connection = connect(folder, deadline - time.monotonic())
    try:
        request = {"verb": verb, "protocol": PROTOCOL, **arguments}
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        connection.settimeout(max(deadline - time.monotonic(), 0.001))
        connection.sendall(json.dumps(request).encode() + b"\n")
    except BaseException:
        connection.close()
        raise
    return connection


def connect(folder: SessionFolder, seconds: float = PLACE) -> socket.socket:
    """Return a connection to the agent of `folder`; raises OSError, NotPossible.

    While the socket's queue of connections is full, this waits for `seconds`, but at most PLACE.
    Both the socket and the process that listens at it must belong to the folder's owner, or
    PermissionError is raised.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    whole, part = divmod(max(min(seconds, PLACE), 0.01), 1)
    wait = struct.pack("ll", int(whole), int(1e6 * part))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, wait)
    try:
        with folder.opened() as directory:
            uid = os.fstat(directory).st_uid
            found = os.open(
                session_files.SOCKET, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory
            )
            try:
                what = os.fstat(found)
                if what.st_uid != uid or not stat.S_ISSOCK(what.st_mode):
                    raise PermissionError("what is there is not the agent's socket")
                # By the descriptor: nobody can put another there now, and the path of a target
                # in a container may be longer than 107 bytes.
                connection.connect(f"/proc/self/fd/{found}")
            finally:
                os.close(found)
        peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
        if CREDENTIALS.unpack(peer)[1] != uid:
            raise PermissionError("somebody else listens at the agent's socket")
    except BaseException:
        connection.close()
        raise
    return connection


def receive(connection: socket.socket, deadline: float) -> tuple[dict[str, Any], bytes]:
    """Receive a whole reply; return its header and blob. Raises OSError, ValueError if malformed.

    `deadline` is a time of `time.monotonic`.
    """
    head, rest, incoming = bytearray(), b"", Incoming(connection, deadline)
    while not rest:
        line, newline, rest = incoming.part().partition(b"\n")
        head += line
        if len(head) > LONGEST_HEAD:
            raise ValueError("the reply's header is too long")
        if newline:
            break
    header, size = parsed(bytes(head))
    blob = bytearray(rest)
    while len(blob) < size:
        blob += incoming.part()
    if len(blob) != size:
        raise ValueError("the reply is longer than it says")
    return {**header, **incoming.sent_by()}, bytes(blob)


class Incoming:
    """Reads one reply from `connection`, part by part, until `deadline` (of `time.monotonic`).

    The target may have other things to do before it replies.  Once a reply has begun, it must come
    at SLOWEST bytes a second, or it is cut off.  `senders` are the PID, real user and group of each
    sender, as the kernel gives them (unix(7)).  They can differ from the socket's owner: a server
    may have opened it while it was root.
    """

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self.connection, self.deadline = connection, deadline
        self.begun: float | None = None
        self.received = 0
        self.senders: set[tuple[int, int, int]] = set()

    def part(self) -> bytes:
        """Return the reply's next bytes; raises OSError, and ValueError for an unknown sender."""
        now, deadline = time.monotonic(), self.deadline
        if self.begun is not None:
            deadline = min(deadline, self.begun + PAUSE + self.received / SLOWEST)
        self.connection.settimeout(max(deadline - now, 0.001))
        part, more, _, _ = self.connection.recvmsg(PART, socket.CMSG_SPACE(CREDENTIALS.size))
        if not part:
            raise ConnectionResetError("the reply was cut off")
        for _, kind, content in more:
            if kind == socket.SCM_CREDENTIALS:
                self.senders.add(CREDENTIALS.unpack(content))
        if not self.senders:
            raise ValueError("it is not known who has sent the reply")
        self.begun = self.begun or time.monotonic()
        self.received += len(part)
        return part

    def sent_by(self) -> dict[str, Any]:
        """Return the senders as facts: `said_by`, pairs of user and group, and `sender`, a PID.

        `sender` is 0 if there are several, or if it is in a PID namespace that we cannot see.
        """
        pids = {pid for pid, _, _ in self.senders}
        users = sorted({(uid, gid) for _, uid, gid in self.senders})
        return {"said_by": users, "sender": pids.pop() if len(pids) == 1 else 0}


def parsed(line: bytes, longest_blob: int = LONGEST_BLOB) -> tuple[dict[str, Any], int]:
    """Parse a reply's first line; return its valid facts, and how many bytes follow the line.

    Facts of the wrong type, and those that only covattach may set, are left out.  Raises ValueError
    for a malformed line, or if more than `longest_blob` bytes are to follow.
    """
    header = untrusted.parsed(line)
    if not isinstance(header, dict) or header.get("protocol") != PROTOCOL:
        raise ValueError("the reply is of another protocol")
    size = header.pop("blob", 0)
    if type(size) is not int or not 0 <= size <= longest_blob:
        raise ValueError("the reply's size makes no sense")
    return untrusted.said(header), size


def answers(folder: SessionFolder, seconds: float = 2.0) -> dict[str, Any] | None:
    """Return the agent's facts, by its verb `status`, or None if there is no agent.

    Raises NoAnswer if it does not reply within `seconds`, and the errors of `ask`.
    """
    try:
        return ask(folder, "status", time.monotonic() + seconds)[0]
    except NobodyThere:
        return None
