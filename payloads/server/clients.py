"""The lobby: callers who have not asked yet, and those whose answer is still on its way.

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


class Guest:
    """A caller: the bytes received, the rest of the reply, and the time until they must be gone."""

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


class Lobby:
    """Those who wait; `new_poll` is `select.poll`, unpatched.

    `source` is a descriptor of which a copy is kept, to be given up to let a caller in where the
    target has none left.
    """

    def __init__(self, new_poll: Any, source: Descriptor) -> None:
        self.new_poll = new_poll
        self.source = source
        self.spare: Descriptor | None = Descriptor(os.dup(source.checked()))
        self.guests: dict[int, Guest] = {}

    def patience(self) -> float | None:
        """Return for how many seconds nobody has to go; None for ever."""
        if not self.guests:
            return None
        return max(min(guest.until for guest in self.guests.values()) - time.monotonic(), 0.0)

    def admit(self, listener: Socket) -> int:
        """Let in who is first at the door, if it is somebody who may come in; return who it is.

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
            self.leave(connection)
            return -1
        while len(self.guests) >= MOST:
            self.dismiss(min(self.guests, key=lambda one: self.guests[one].until))
        self.keep(Guest(connection))
        return connection.number

    def keep(self, guest: Guest) -> None:
        """Wait for a caller."""
        before = self.guests.get(guest.connection.number)
        self.guests[guest.connection.number] = guest
        if before is not None:
            before.connection.close()  # the application has done that: not what has its number

    def awaited(self) -> list[tuple[int, int]]:
        """Return the numbers to wait at, and for which events."""
        for number in [one for one in self.guests if not self.guests[one].connection.is_ours()]:
            self.dismiss(number)
        return [
            (number, select.POLLOUT if guest.rest else select.POLLIN)
            for number, guest in self.guests.items()
        ]

    def let_go(self, number: int) -> Socket:
        """Wait for a caller no more; return the connection."""
        return self.guests.pop(number).connection

    def dismiss(self, number: int) -> None:
        """Send a caller away."""
        self.leave(self.let_go(number))

    def leave(self, connection: Socket) -> None:
        """Close a connection, and have something to spare again."""
        connection.close()
        self.renew()

    def renew(self) -> None:
        """Have something to spare, unless it is there."""
        if self.spare is None or not self.spare.is_ours():
            try:
                self.spare = Descriptor(os.dup(self.source.checked()))
            except OSError:
                return  # the target has taken it; it may come back

    def asked(self, ready: set[int]) -> tuple[Any, bytes] | None:
        """Attend to those who are ready; return the first who has asked, with the request."""
        now = time.monotonic()
        for descriptor in [one for one in self.guests if one in ready]:
            guest = self.guests[descriptor]
            try:
                if guest.rest:
                    guest.push()
                    if not guest.rest:
                        self.dismiss(descriptor)
                    continue
                guest.pull()
            except OSError:
                self.dismiss(descriptor)
                continue
            if guest.has_asked:
                return self.let_go(descriptor), guest.came
        for descriptor in [one for one, guest in self.guests.items() if guest.until < now]:
            self.dismiss(descriptor)
        return None

    def see_off(self, connection: Socket, rest: list[Any]) -> None:
        """Send the rest of a reply when it is taken, and close the connection then."""
        self.keep(Guest(connection, rest))

    def empty(self) -> None:
        """Send everybody away who does not wait for the rest of a reply; wait for those."""
        for descriptor in [one for one, guest in self.guests.items() if not guest.rest]:
            self.dismiss(descriptor)
        while self.guests:
            poll = self.new_poll()
            for number, events in self.awaited():
                poll.register(number, events)
            ready = poll.poll(1000 * (self.patience() or 0.0))
            self.asked({descriptor for descriptor, _ in ready})

    def close(self) -> None:
        """Close all descriptors."""
        for descriptor in list(self.guests):
            self.let_go(descriptor).close()
        if self.spare is not None:
            self.spare.close()


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
