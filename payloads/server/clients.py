"""Clients that have not asked yet, and those whose reply is still on its way.

The agent has one thread, and a slow caller must not keep it from others: nobody is waited for.  A
caller's request is collected bit by bit, and only a whole one is looked at.  The rest of a reply is
sent when they take it.  Each caller has only so much time, and there are only so many at a time.

The raw `_socket` is used, because gevent and eventlet replace `socket.socket`.
"""

from __future__ import annotations

import _socket
import errno
import os
import select
import struct
import time
from typing import Any

from ..interpreter.descriptors import Descriptor, Socket, behind

LONGEST_REQUEST = 1 << 20
PATIENCE = 5.0  # seconds for a caller to ask, or to take the next part of the reply
MOST = 16  # callers at a time; then the one who has been there for the longest has to go
PART = 65536  # bytes to take at once
PARTS = 64  # to send at once
# Bytes of a reply that the kernel may hold, which takes it twice (socket(7)).  Each time that it is
# full the GIL changes hands twice.  But three quarters must be read before there is room again,
# which a slow reader has to do within its time.
ROOM = 1 << 18


class ClientConnection:
    """A connection: the bytes received, the rest of the reply, and when it has to be over."""

    def __init__(self, connection: Socket, rest: list[Any] | None = None) -> None:
        self.connection = connection
        self.came = b""
        self.rest = rest or []
        self.until = time.monotonic() + PATIENCE
        self.has_asked = False

    def pull(self) -> None:
        """Receive a part; a request ends with its line, with its caller, or when too long."""
        try:
            part = self.connection.checked().recv(PART)
        except BlockingIOError:
            return
        self.came += part
        is_over = not part or len(self.came) > LONGEST_REQUEST
        self.has_asked = is_over or self.came.endswith(b"\n")

    def push(self) -> None:
        """Send the rest of the reply, as far as it is taken."""
        self.rest = send(self.connection, self.rest)
        self.until = time.monotonic() + PATIENCE


class ClientPool:
    """The open connections; `new_poll` is `select.poll`, unpatched.

    `source` is a descriptor of which a copy is kept, to be given up to let a caller in where the
    target has none left.
    """

    def __init__(self, new_poll: Any, source: Descriptor) -> None:
        self.new_poll = new_poll
        self.source = source
        self.spare: Descriptor | None = copy_of(source)
        self.connections: dict[int, ClientConnection] = {}

    def patience(self) -> float | None:
        """Return for how many seconds nobody has to go; None for ever."""
        if not self.connections:
            return None
        return max(
            min(client.until for client in self.connections.values()) - time.monotonic(), 0.0
        )

    def admit(self, listener: Socket) -> int:
        """Accept the next connection, if its client may ask; return its descriptor, or -1.

        Raises OSError where that needs a descriptor and there is none.
        """
        try:
            connection = accepted(listener)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.ECONNABORTED):
                return -1  # they have gone already
            spare, self.spare = self.spare, None
            if error.errno not in (errno.EMFILE, errno.ENFILE) or spare is None:
                raise
            spare.close()
            connection = accepted(listener)
        connection.checked().setsockopt(_socket.SOL_SOCKET, _socket.SO_SNDBUF, ROOM)
        if not peer_is_allowed(connection):
            self.close_connection(connection)
            return -1
        while len(self.connections) >= MOST:
            self.close_client(min(self.connections, key=lambda one: self.connections[one].until))
        self.keep(ClientConnection(connection))
        return connection.number

    def keep(self, client: ClientConnection) -> None:
        """Wait for a client."""
        before = self.connections.get(client.connection.number)
        self.connections[client.connection.number] = client
        if before is not None:
            before.connection.close()  # the application has done that: not what has its number

    def awaited(self) -> list[tuple[int, int]]:
        """Return the numbers to wait at, and for which events."""
        for number in [
            one for one in self.connections if not self.connections[one].connection.is_ours()
        ]:
            self.close_client(number)
        return [
            (number, select.POLLOUT if client.rest else select.POLLIN)
            for number, client in self.connections.items()
        ]

    def remove(self, number: int) -> Socket:
        """Wait for a client no more; return the connection."""
        return self.connections.pop(number).connection

    def close_client(self, number: int) -> None:
        """Close the connection of a client."""
        self.close_connection(self.remove(number))

    def close_connection(self, connection: Socket) -> None:
        """Close a connection, and have something to spare again."""
        connection.close()
        self.renew()

    def renew(self) -> None:
        """Have something to spare, unless it is there."""
        if self.spare is None or not self.spare.is_ours():
            try:
                self.spare = copy_of(self.source)
            except OSError:
                return  # the target has taken it; it may come back

    def asked(self, ready: set[int]) -> tuple[Any, bytes] | None:
        """Attend to those who are ready; return the first who has asked, with the request."""
        now = time.monotonic()
        for descriptor in [one for one in self.connections if one in ready]:
            client = self.connections[descriptor]
            try:
                if client.rest:
                    client.push()
                    if not client.rest:
                        self.close_client(descriptor)
                    continue
                client.pull()
            except OSError:
                self.close_client(descriptor)
                continue
            if client.has_asked:
                return self.remove(descriptor), client.came
        for descriptor in [one for one, client in self.connections.items() if client.until < now]:
            self.close_client(descriptor)
        return None

    def send_rest_and_close(self, connection: Socket, rest: list[Any]) -> None:
        """Send the rest of a reply when it is taken, and close the connection then."""
        self.keep(ClientConnection(connection, rest))

    def finish_replies(self) -> None:
        """Close connections that wait for no reply, and send the rest of the others."""
        for descriptor in [one for one, client in self.connections.items() if not client.rest]:
            self.close_client(descriptor)
        while self.connections:
            poll = self.new_poll()
            for number, events in self.awaited():
                poll.register(number, events)
            ready = poll.poll(1000 * (self.patience() or 0.0))
            self.asked({descriptor for descriptor, _ in ready})

    def close(self) -> None:
        """Close all descriptors."""
        for descriptor in list(self.connections):
            self.remove(descriptor).close()
        if self.spare is not None:
            self.spare.close()


def copy_of(source: Descriptor) -> Descriptor:
    """Return another descriptor of the same file; raises OSError."""
    return Descriptor(os.dup(source.checked()), file=source.identity)


def accepted(listener: Socket) -> Socket:
    """Return the next connection; raises OSError."""
    return Socket(_socket.socket(fileno=listener.checked()._accept()[0]))


def send(connection: Socket, parts: list[Any]) -> list[Any]:
    """Send as much as is taken at once; return the rest.  Raises OSError.

    The application may not ignore SIGPIPE.
    """
    return behind(parts, connection.checked().sendmsg(parts[:PARTS], [], _socket.MSG_NOSIGNAL))


def peer_is_allowed(connection: Socket) -> bool:
    """Tell whether the other end is the target's own user or root (unix(7), SO_PEERCRED).

    Who is that user for a while only, and could be another again, has that one's rights too.
    """
    credentials = connection.checked().getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
    uid = struct.unpack("3i", credentials)[1]
    return uid == 0 or {uid} == set(os.getresuid())
