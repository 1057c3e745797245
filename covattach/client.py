"""Asking the agent: one request and one reply over the session's socket, see payloads/wire.py."""

from __future__ import annotations

import json
import os
import socket
import struct
import time
from typing import Any

from covattach.errors import NoSession, NotNow, NotPossible, PayloadFailed
from covattach.folder import Folder
from covattach.payloads.wire import PROTOCOL

LONGEST_HEAD = 1 << 28
LONGEST_BLOB = 1 << 31


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
            header, blob = receive(connection)
    except TimeoutError as error:
        raise NoAnswer("timed out") from error
    except (OSError, ValueError) as error:
        raise NobodyThere(str(error)) from error  # it ended in the middle of it
    if "error" in header:
        raise reported(header)
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
    """Return a connection to the agent of `folder`; raises OSError."""
    directory = os.open(folder.path, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # By the descriptor: the path of a target in a container may be longer than 107 bytes.
        connection.connect(f"/proc/self/fd/{directory}/agent.sock")
        uid = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[
            1
        ]
        if uid != os.fstat(directory).st_uid:
            raise PermissionError(f"user {uid} listens in a folder that is not theirs")
    except BaseException:
        connection.close()
        raise
    finally:
        os.close(directory)
    return connection


def receive(connection: socket.socket) -> tuple[dict[str, Any], bytes]:
    """Return header and blob of a reply; raises OSError, ValueError for what is none."""
    with connection.makefile("rb") as file:
        header, size = parsed(file.readline(LONGEST_HEAD))
        blob = file.read(size)
        if len(blob) != size:
            raise ValueError("the reply was cut off")
        return header, blob


def parsed(line: bytes, longest_blob: int = LONGEST_BLOB) -> tuple[dict[str, Any], int]:
    """Return a header and how many bytes follow it; raises ValueError for what is none."""
    header = json.loads(line)
    if not isinstance(header, dict) or header.get("protocol") != PROTOCOL:
        raise ValueError("the reply is of another protocol")
    size = header.pop("blob", 0)
    if type(size) is not int or not 0 <= size <= longest_blob:
        raise ValueError("the reply's size makes no sense")
    return header, size


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
