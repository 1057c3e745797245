"""The lobby: callers who have not asked yet, and those whose answer is still on its way.

The agent has one thread, and whoever is slow must not keep it from others: nobody is waited for.
A caller's request is collected bit by bit, and only a whole one is looked at; what they do not
take of a reply is sent on when they do.  Everybody has only so much time, and there are only so
many at a time.
"""

from __future__ import annotations

import _socket
import errno
import os
import select
import struct
import time
from typing import Any

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
    """A caller: what has come from them, what is still to go to them, and until when they stay."""

    def __init__(self, connection: Any, rest: list[Any] | None = None) -> None:
        self.connection = connection
        self.came = b""
        self.rest = rest or []
        self.until = time.monotonic() + PATIENCE
        self.has_asked = False

    def pull(self) -> None:
        """Take what has come; a request ends with its line, with its caller, or when too long."""
        try:
            part = self.connection.recv(PART)
        except BlockingIOError:
            return
        self.came += part
        is_over = not part or len(self.came) > LONGEST_REQUEST
        self.has_asked = is_over or self.came.endswith(b"\n")

    def push(self) -> None:
        """Send what is left, as far as it is taken."""
        self.rest = send(self.connection, self.rest)
        self.until = time.monotonic() + PATIENCE


class Lobby:
    """Those who wait; `poll` is what they are waited for with, together with others.

    `spare` is a descriptor that is given up to let a caller in where the target has none left.
    """

    def __init__(self, poll: Any, spare: int) -> None:
        self.poll = poll
        self.spare = self.kept = spare
        self.guests: dict[int, Guest] = {}

    def patience(self) -> float | None:
        """Return for how many seconds nobody has to go; None for ever."""
        if not self.guests:
            return None
        return max(min(guest.until for guest in self.guests.values()) - time.monotonic(), 0.0)

    def admit(self, listener: Any) -> int:
        """Let in who is first at the door, if it is somebody who may come in; return who it is.

        Raises OSError where that needs a descriptor and there is none.
        """
        try:
            descriptor = listener._accept()[0]
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.ECONNABORTED):
                return -1  # they have gone already
            if error.errno not in (errno.EMFILE, errno.ENFILE) or self.kept < 0:
                raise
            os.close(self.kept)
            self.kept = -1
            descriptor = listener._accept()[0]
        os.set_inheritable(descriptor, False)
        connection = _socket.socket(fileno=descriptor)
        connection.setblocking(False)
        connection.setsockopt(_socket.SOL_SOCKET, _socket.SO_SNDBUF, ROOM)
        if not peer_is_allowed(connection):
            self.leave(connection)
            return -1
        while len(self.guests) >= MOST:
            self.dismiss(min(self.guests, key=lambda one: self.guests[one].until))
        self.keep(Guest(connection), select.POLLIN)
        return int(descriptor)

    def keep(self, guest: Guest, events: int) -> None:
        """Wait for a caller."""
        descriptor = guest.connection.fileno()
        self.guests[descriptor] = guest
        self.poll.register(descriptor, events)

    def let_go(self, descriptor: int) -> Any:
        """Wait for a caller no more; return the connection."""
        self.poll.unregister(descriptor)
        return self.guests.pop(descriptor).connection

    def dismiss(self, descriptor: int) -> None:
        """Send a caller away."""
        self.leave(self.let_go(descriptor))

    def leave(self, connection: Any) -> None:
        """Close a connection, and have something to spare again."""
        connection.close()
        if self.kept < 0:
            try:
                self.kept = os.dup(self.spare)
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

    def see_off(self, connection: Any, rest: list[Any]) -> None:
        """Send the rest of a reply when it is taken, and close the connection then."""
        self.keep(Guest(connection, rest), select.POLLOUT)

    def empty(self) -> None:
        """Send everybody away who does not wait for the rest of a reply; wait for those."""
        for descriptor in [one for one, guest in self.guests.items() if not guest.rest]:
            self.dismiss(descriptor)
        while self.guests:
            ready = self.poll.poll(1000 * (self.patience() or 0.0))
            self.asked({descriptor for descriptor, _ in ready})

    def close(self) -> None:
        """Close all descriptors."""
        for descriptor in list(self.guests):
            self.let_go(descriptor).close()
        if self.kept >= 0:
            os.close(self.kept)
            self.kept = -1


def send(connection: Any, parts: list[Any]) -> list[Any]:
    """Send as much as is taken at once; return what is left.  Raises OSError.

    The application may not ignore SIGPIPE.
    """
    sent = connection.sendmsg(parts[:PARTS], [], _socket.MSG_NOSIGNAL)
    for at, part in enumerate(parts):
        if sent < len(part):
            return [memoryview(part)[sent:], *parts[at + 1 :]]
        sent -= len(part)
    return []


def peer_is_allowed(connection: Any) -> bool:
    """Tell whether the other end is the target's own user or root (unix(7), SO_PEERCRED)."""
    credentials = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
    uid = struct.unpack("3i", credentials)[1]
    return uid in (0, os.geteuid())
