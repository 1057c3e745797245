"""The wire: one request and one reply for each connection, on a Unix socket.

A request is a line of JSON.  A reply is a line of JSON and then `blob` bytes, as it says itself.
Behind the reply to `trace` more such messages follow, until one side has enough, see `stream`.
The raw `_socket` is used, because gevent and eventlet replace `socket.socket`.
"""

from __future__ import annotations

import _socket
import json
import os
import select
import struct
import time
from typing import Any

PROTOCOL = 1
LONGEST_REQUEST = 1 << 20
SENT_AWAY = object()
PATIENCE = 5.0  # seconds for a client to send its request, or to take its reply


class BadRequest(Exception):
    """What came over the socket is not a request."""


class Door:
    """The listening socket, and a way to send away whoever waits at it."""

    def __init__(self, path: str, poll: Any) -> None:
        """Listen at `path`, in a folder of mode 0700; `poll` is `select.poll`, unpatched."""
        self.listener: Any = _socket.socket(
            _socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC
        )
        self.listener.bind(path)
        os.chmod(path, 0o600)
        self.listener.listen(8)
        self.read_end, self.write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self.poll = poll()
        self.poll.register(self.listener.fileno(), select.POLLIN)
        self.poll.register(self.read_end, select.POLLIN)

    def next(self, seconds: float | None) -> Any:
        """Return the next connection, SENT_AWAY, or None after `seconds` (None: for ever)."""
        ready = self.poll.poll(None if seconds is None else 1000 * seconds)
        waiting = {descriptor for descriptor, _ in ready}
        if self.read_end in waiting:
            os.read(self.read_end, 4096)
            return SENT_AWAY
        if self.listener.fileno() not in waiting:
            return None  # it is time, or a stream can go on
        descriptor, _ = self.listener._accept()
        os.set_inheritable(descriptor, False)
        connection = _socket.socket(fileno=descriptor)
        connection.settimeout(PATIENCE)
        return connection

    def send_away(self) -> None:
        """Make `next` return SENT_AWAY in the thread that waits."""
        os.write(self.write_end, b"x")

    def close(self) -> None:
        """Close all descriptors; does nothing the second time."""
        if self.read_end >= 0:
            self.listener.close()
            os.close(self.read_end)
            os.close(self.write_end)
            self.read_end = self.write_end = -1


def peer_is_allowed(connection: Any) -> bool:
    """Tell whether the other end is the target's own user or root (unix(7), SO_PEERCRED)."""
    credentials = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
    uid = struct.unpack("3i", credentials)[1]
    return uid in (0, os.geteuid())


def receive(connection: Any) -> dict[str, Any]:
    """Return the request; raises BadRequest, also for one that takes too long to come."""
    until = time.monotonic() + PATIENCE
    line = b""
    while not line.endswith(b"\n"):
        if len(line) > LONGEST_REQUEST or time.monotonic() > until:
            raise BadRequest("the request is too long or too slow")
        part = connection.recv(65536)
        if not part:
            raise BadRequest("the request ends before its end of line")
        line += part
    try:
        request = json.loads(line)
    except ValueError as error:
        raise BadRequest("the request is not JSON") from error
    if not isinstance(request, dict) or request.get("protocol") != PROTOCOL:
        raise BadRequest(f"the request is not of protocol {PROTOCOL}")
    return request


def send(connection: Any, reply: dict[str, Any], blob: bytes = b"") -> None:
    """Send the reply; raises OSError where the client has gone."""
    head = json.dumps({**reply, "protocol": PROTOCOL, "blob": len(blob)})
    # The application may not ignore SIGPIPE.
    connection.sendall(head.encode() + b"\n" + blob, _socket.MSG_NOSIGNAL)
