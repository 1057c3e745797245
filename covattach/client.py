"""Asking the agent: one request and one reply over the session's socket, see payloads/wire.py."""

from __future__ import annotations

import collections
import json
import os
import socket
import stat
import struct
import time
from typing import Any

from covattach.errors import NoSession, NotNow, NotPossible, PayloadFailed
from covattach.facts import checked
from covattach.folder import Folder
from covattach.payloads.wire import PROTOCOL

LONGEST_HEAD = 1 << 26  # bytes; 100,000 files with long names are 20 MB
LONGEST_BLOB = 1 << 28  # bytes; ten million executed lines are 80 MB
PART = 1 << 18
PLACE = 2  # seconds
# What the replies to verbs have at least, of what facts.py knows.
FACTS = ("python", "core", "coverage", "branch", "warnings")
NEEDED = collections.defaultdict(
    tuple, start=FACTS, status=FACTS, mark=("previous", "windows", "mark_ms")
)


class NoAnswer(Exception):
    """The agent has not answered in time."""


class NobodyThere(NoAnswer):
    """Nobody listens at the socket, or no longer, or it is not there."""


def ask(
    folder: Folder, verb: str, deadline: float, **arguments: Any
) -> tuple[dict[str, Any], bytes]:
    """Send a request and return the reply's header and blob.

    `deadline` is a time of `time.monotonic`.  Raises NoAnswer, and the error that the agent
    reports: PayloadFailed, NotPossible, NotNow.
    """
    try:
        with asked(folder, verb, deadline, **arguments) as connection:
            header, blob = receive(connection, deadline)
    except BlockingIOError as error:
        raise NoAnswer("too many wait at the door") from error
    except TimeoutError as error:
        raise NoAnswer("timed out") from error
    except (OSError, ValueError, NotPossible) as error:
        raise NobodyThere(str(error)) from error  # it ended in the middle of it
    if "error" in header:
        raise reported(header)
    for name in NEEDED[verb if header.get("measuring") or verb != "status" else ""]:
        if name not in header:
            raise NotNow(
                f"The target's answer makes no sense: it does not tell the {name}.",
                "Something in the target has changed what covattach put there: restart it.",
            )
    return header, blob


def asked(folder: Folder, verb: str, deadline: float, **arguments: Any) -> socket.socket:
    """Send a request; return the connection on which the reply comes.  Raises OSError."""
    connection = connect(folder)
    try:
        request = {"verb": verb, "protocol": PROTOCOL, **arguments}
        connection.settimeout(max(deadline - time.monotonic(), 0.001))
        connection.sendall(json.dumps(request).encode() + b"\n")
    except BaseException:
        connection.close()
        raise
    return connection


def connect(folder: Folder) -> socket.socket:
    """Return a connection to the agent of `folder`; raises OSError, NotPossible.

    Nobody but the folder's owner is believed: they must own the socket, and listen at it.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # For so long it waits for a place, where more callers than the socket takes are waiting.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", PLACE, 0))
    try:
        with folder.opened() as directory:
            uid = os.fstat(directory).st_uid
            found = os.open(
                "agent.sock", os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory
            )
            try:
                facts = os.fstat(found)
                if facts.st_uid != uid or not stat.S_ISSOCK(facts.st_mode):
                    raise PermissionError("what is there is not the agent's socket")
                # By the descriptor: nobody can put another there now, and the path of a target
                # in a container may be longer than 107 bytes.
                connection.connect(f"/proc/self/fd/{found}")
            finally:
                os.close(found)
        peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        if struct.unpack("3i", peer)[1] != uid:
            raise PermissionError("somebody else listens at the agent's socket")
    except BaseException:
        connection.close()
        raise
    return connection


def receive(connection: socket.socket, deadline: float) -> tuple[dict[str, Any], bytes]:
    """Return header and blob of a reply; raises OSError, ValueError for what is none."""
    head, rest = bytearray(), b""
    while not rest:
        part = receive_part(connection, deadline)
        line, newline, rest = part.partition(b"\n")
        head += line
        if len(head) > LONGEST_HEAD:
            raise ValueError("the reply's header is too long")
        if newline:
            break
    header, size = parsed(bytes(head))
    blob = bytearray(rest)
    while len(blob) < size:
        blob += receive_part(connection, deadline)
    if len(blob) != size:
        raise ValueError("the reply is longer than it says")
    return header, bytes(blob)


def receive_part(connection: socket.socket, deadline: float) -> bytes:
    """Return what comes next; raises OSError at the deadline, ValueError at the end."""
    connection.settimeout(max(deadline - time.monotonic(), 0.001))
    part = connection.recv(PART)
    if not part:
        raise ValueError("the reply was cut off")
    return part


def parsed(line: bytes, longest_blob: int = LONGEST_BLOB) -> tuple[dict[str, Any], int]:
    """Return a header, without facts that cannot be, and how many bytes follow it.

    Raises ValueError for what is none.
    """
    try:
        header = json.loads(line)
    except RecursionError:
        raise ValueError("the reply is not JSON of ours") from None
    if not isinstance(header, dict) or header.get("protocol") != PROTOCOL:
        raise ValueError("the reply is of another protocol")
    size = header.pop("blob", 0)
    if type(size) is not int or not 0 <= size <= longest_blob:
        raise ValueError("the reply's size makes no sense")
    return checked(header), size


def reported(header: dict[str, Any]) -> PayloadFailed | NotPossible | NotNow:
    """Return the error that the agent's reply tells of."""
    kind, message = header["error"], str(header.get("message", ""))
    python = str(header.get("python", "X.Y"))
    if kind == "no-coverage":
        return NotPossible(
            f"The target cannot be measured: {message}.",
            f"Get one that fits: `covattach provision --python {python}`, then start again.",
        )
    if kind == "refused":
        return NotNow(f"The target is not touched: {message}.", "End that first, then start again.")
    return PayloadFailed(
        "The payload failed in the target, and was undone.",
        "The traceback shows why; please report it if it is ours.",
        str(header.get("traceback", "")),
    )


def answers(folder: Folder, seconds: float = 2.0) -> dict[str, Any] | None:
    """Return the agent's facts, or None where there is none; raises NoAnswer if it is silent."""
    try:
        return ask(folder, "status", time.monotonic() + seconds)[0]
    except NobodyThere:
        return None


def no_session(pid: int) -> NoSession:
    """Return the error for a process that is not measured."""
    return NoSession(
        f"Process {pid} is not being measured.", f"Begin with `covattach start {pid}`."
    )
