"""Connections whose request or reply is incomplete; all of them are non-blocking.

The agent has one thread, and a slow client must not keep it from others.  A client's request is
collected part by part, and only a whole one is looked at.  The rest of a reply is sent as the
client reads it.  Each client has limited time, and their number is limited.

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

from ..interpreter.descriptors import Descriptor, Socket, unwritten

LONGEST_REQUEST = 1 << 20  # bytes
PATIENCE = 5.0  # seconds for a client to send its request, or to read the next part of the reply
MOST = 16  # clients at a time; one more, and the one with the earliest deadline is closed
PART = 65536  # bytes to receive at once
PARTS = 64  # parts of a reply to send at once
# Bytes of a reply that the kernel may buffer; it doubles them (socket(7)).  Each time that the
# buffer is full the GIL changes hands twice.  But three quarters must be read before there is room
# again, which a slow client has to do within PATIENCE.
ROOM = 1 << 18


class ClientConnection:
    """A client's connection: the bytes received, the `rest` of the reply, and its deadline.

    The deadline, `until`, is by the monotonic clock.
    """

    def __init__(self, connection: Socket, rest: list[Any] | None = None) -> None:
        self.connection = connection
        self.came = b""
        self.rest = rest or []
        self.until = time.monotonic() + PATIENCE
        self.has_asked = False

    def pull(self) -> None:
        """Receive a part of the request, without blocking; raises OSError.

        The request ends at its line's end, when the client closes its side, or when it is too long.
        """
        try:
            part = self.connection.checked().recv(PART)
        except BlockingIOError:
            return
        self.came += part
        is_over = not part or len(self.came) > LONGEST_REQUEST
        self.has_asked = is_over or self.came.endswith(b"\n")

    def push(self) -> None:
        """Send as much of the rest of the reply as the client takes, and extend the deadline.

        Raises OSError, BlockingIOError if nothing could be sent.
        """
        self.rest = send(self.connection, self.rest)
        self.until = time.monotonic() + PATIENCE


class ClientPool:
    """The open connections of clients; `new_poll` is `select.poll`, unpatched.

    `source` is a descriptor that is duplicated, as a spare.  If the target has no descriptor left,
    the spare is closed to accept a client.
    """

    def __init__(self, new_poll: Any, source: Descriptor) -> None:
        self.new_poll = new_poll
        self.source = source
        self.spare: Descriptor | None = copy_of(source)
        self.connections: dict[int, ClientConnection] = {}

    def patience(self) -> float | None:
        """Return the seconds until the next client's deadline; None if there are no clients."""
        if not self.connections:
            return None
        return max(
            min(client.until for client in self.connections.values()) - time.monotonic(), 0.0
        )

    def admit(self, listener: Socket) -> int:
        """Accept the next connection; return its descriptor, or -1 if it is gone or not allowed.

        Raises OSError where there is no descriptor left.
        """
        try:
            connection = accepted(listener)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.ECONNABORTED):
                return -1  # the client is gone already
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
        """Add `client` to those whose requests and replies are awaited."""
        before = self.connections.get(client.connection.number)
        self.connections[client.connection.number] = client
        if before is not None:
            before.connection.close()  # the application has closed its file: the number was reused

    def awaited(self) -> list[tuple[int, int]]:
        """Return the descriptors of clients to poll, each with its event mask.

        Connections that the application has closed are dropped.
        """
        for number in [
            one for one in self.connections if not self.connections[one].connection.is_ours()
        ]:
            self.close_client(number)
        return [
            (number, select.POLLOUT if client.rest else select.POLLIN)
            for number, client in self.connections.items()
        ]

    def remove(self, number: int) -> Socket:
        """Remove the client with the descriptor `number`, and return its open connection."""
        return self.connections.pop(number).connection

    def close_client(self, number: int) -> None:
        """Remove the client with the descriptor `number`, and close its connection."""
        self.close_connection(self.remove(number))

    def close_connection(self, connection: Socket) -> None:
        """Close `connection`, and open the spare descriptor again if it was given up."""
        connection.close()
        self.renew()

    def renew(self) -> None:
        """Open the spare descriptor, unless it is open; does nothing if there is none left."""
        if self.spare is None or not self.spare.is_ours():
            try:
                self.spare = copy_of(self.source)
            except OSError:
                return  # the target has taken it; it may come back

    def asked(self, ready: set[int]) -> tuple[Any, bytes] | None:
        """Serve the clients whose descriptors are in `ready`, and return the first whole request.

        It comes with its connection, which leaves the pool; None if there is no request.  Then
        clients past their deadline are closed.
        """
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
        """Send `rest`, parts of a reply, as the client reads them; then close `connection`.

        Returns at once.
        """
        self.keep(ClientConnection(connection, rest))

    def finish_replies(self) -> None:
        """Close clients that await no reply, and block until the replies to the others are sent.

        Those that do not read in time are closed.
        """
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
    """Send as much of `parts` as possible without blocking, and return the rest.

    Raises OSError, BlockingIOError if nothing could be sent.  No SIGPIPE is sent: the application
    may not ignore it.
    """
    return unwritten(parts, connection.checked().sendmsg(parts[:PARTS], [], _socket.MSG_NOSIGNAL))


def peer_is_allowed(connection: Socket) -> bool:
    """Tell whether the client's user is the target's own or root (unix(7), SO_PEERCRED).

    Where the target's real, effective and saved user ids differ, only root is allowed: such a
    target has another user's rights as well.
    """
    credentials = connection.checked().getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
    uid = struct.unpack("3i", credentials)[1]
    return uid == 0 or {uid} == set(os.getresuid())
