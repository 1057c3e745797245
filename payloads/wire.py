"""The wire: one request and one reply for each connection, on a Unix socket.

A request is a line of JSON.  A reply is a line of JSON and then `blob` bytes, as it says itself.
Behind the reply to `trace` more such messages follow, until one side has enough, see `stream`.
The raw `_socket` is used, because gevent and eventlet replace `socket.socket`.
"""

from __future__ import annotations

import _socket
import os
import select
import time
from typing import Any

from . import json_text, lobby
from .lobby import LONGEST_REQUEST, Lobby

PROTOCOL = 1
Reply = tuple[dict[str, Any], list[bytes]]  # what is sent: a header, and a blob in parts
SENT_AWAY, TERMINATED = object(), object()
# Callers who ask for nothing, such as those who send garbage, are listened to so often at once, and
# so often a second then; and for what they cost the processor, so many times as long not at all.
# It is not the processor that they cost a busy target most, but that each has the GIL change hands
# about ten times, which takes it 3.4 ms (measured on 3.14, two virtual cores).
AT_ONCE = 20
A_SECOND = 10
REST = 50
BREATH = 0.2  # seconds after which it is tried again to let a caller in


class BadRequest(Exception):
    """What came over the socket is not a request."""


class Door:
    """The listening socket, and a way to send away whoever waits at it."""

    def __init__(self, poll: Any) -> None:
        """Have a way to send away; `poll` is `select.poll`, unpatched."""
        self.listener: Any = None
        self.sigterm = -1
        self.watched: dict[int, Any] = {}
        self.read_end, self.write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self.poll, self.bell = poll(), poll()
        self.poll.register(self.read_end, select.POLLIN)
        self.bell.register(self.read_end, select.POLLIN)
        self.lobby = Lobby(self.poll, os.dup(self.read_end))
        self.request = b""
        self.is_earnest = True  # whether what was done last had been asked for
        self.used = 0.0
        self.allowed, self.since = float(AT_ONCE), time.monotonic()
        self.rests_until = 0.0

    def open(self, path: str) -> None:
        """Listen at `path`, in a folder of mode 0700; raises OSError."""
        kind = _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC
        self.listener = _socket.socket(_socket.AF_UNIX, kind)
        self.listener.bind(path)
        os.chmod(path, 0o600)
        self.listener.setblocking(False)
        self.listener.listen(16)
        self.poll.register(self.listener.fileno(), select.POLLIN)

    def watch_sigterm(self, receiver: Any) -> None:
        """Return TERMINATED too, when there is something to be received from `receiver`."""
        self.sigterm = receiver.fileno()
        self.poll.register(self.sigterm, select.POLLIN)
        self.bell.register(self.sigterm, select.POLLIN)

    def next(self, seconds: float | None) -> Any:
        """Return the next connection whose `request` is there, SENT_AWAY, TERMINATED, or None.

        None is returned after `seconds` (None: for ever), and now and then before.
        """
        self.rest()
        resting = max(self.rests_until - time.monotonic(), 0.0)
        waits = [resting] if resting else [self.lobby.patience()]
        soonest = min((wait for wait in (seconds, *waits) if wait is not None), default=None)
        poll = self.bell if resting else self.poll
        ready = poll.poll(None if soonest is None else 1000 * soonest)
        self.used, self.is_earnest = time.thread_time(), not ready
        waiting = {descriptor for descriptor, _ in ready}
        if self.read_end in waiting:
            os.read(self.read_end, 4096)
            self.is_earnest = True
            return SENT_AWAY
        if self.sigterm in waiting:
            self.is_earnest = True
            return TERMINATED
        for descriptor in waiting.intersection(self.watched):
            self.is_earnest = True
            self.forget(descriptor)()
        if self.listener is not None and self.listener.fileno() in waiting:
            try:
                waiting.add(self.lobby.admit(self.listener))  # most have asked already
            except OSError:
                self.rests_until = time.monotonic() + BREATH  # no descriptor is left
        asked = self.lobby.asked(waiting)
        if asked is None:
            return None
        connection, self.request = asked
        return connection

    def rest(self) -> None:
        """Have those who keep us busy for nothing wait, so that the target is not slowed down."""
        if not self.is_earnest:
            now, used = time.monotonic(), time.thread_time() - self.used
            self.allowed += A_SECOND * (now - self.since) - 1
            self.allowed, self.since = min(self.allowed, AT_ONCE), now
            wait = max(REST * used, -self.allowed / A_SECOND)
            self.rests_until = max(self.rests_until, now + wait)
            self.is_earnest = True

    def watch(self, path: str, then: Any) -> int:
        """Call `then`, in the thread that waits, when nobody has the FIFO at `path` open to write.

        Nothing is ever written to it: its end is all that there is to be read.  Returns the
        descriptor that `forget` takes; raises OSError.
        """
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        # Somebody who had gone before this was opened would never be missed by `poll`.
        try:
            is_over = os.read(descriptor, 1) == b""
        except BlockingIOError:
            is_over = False
        if is_over:
            os.close(descriptor)
            then()
            return -1
        self.poll.register(descriptor, 0)  # POLLHUP is always told
        self.watched[descriptor] = then
        return descriptor

    def forget(self, descriptor: int) -> Any:
        """Watch a descriptor no more, and close it; return what was to be called."""
        then = self.watched.pop(descriptor, None)
        if then is not None:
            self.poll.unregister(descriptor)
            os.close(descriptor)
        return then

    def send_away(self) -> None:
        """Make `next` return SENT_AWAY in the thread that waits."""
        os.write(self.write_end, b"x")

    def close(self, at_once: bool = False) -> None:
        """Close all descriptors; does nothing the second time.

        Replies that are on their way are sent first, unless it has to be `at_once`.
        """
        if self.read_end >= 0:
            if self.listener is not None:
                self.poll.unregister(self.listener.fileno())
                self.listener.close()
            for descriptor in list(self.watched):
                self.forget(descriptor)
            if self.sigterm >= 0:
                self.poll.unregister(self.sigterm)
            self.poll.unregister(self.read_end)
            if not at_once:
                self.lobby.empty()
            self.lobby.close()
            os.close(self.read_end)
            os.close(self.write_end)
            self.read_end = self.write_end = -1


def parse(line: bytes) -> dict[str, Any]:
    """Return the request in a line; raises BadRequest."""
    if len(line) > LONGEST_REQUEST:
        raise BadRequest("the request is too long")
    if not line.endswith(b"\n"):
        raise BadRequest("the request ends before its end of line")
    try:
        request = json_text.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadRequest("the request is not JSON") from error
    if not isinstance(request, dict) or request.get("protocol") != PROTOCOL:
        raise BadRequest(f"the request is not of protocol {PROTOCOL}")
    return request


def send(connection: Any, reply: dict[str, Any], blob: list[bytes]) -> list[Any]:
    """Send the reply; return what is not taken at once.  Raises OSError: the client has gone.

    The blob, which may be megabytes, is not copied for it.
    """
    head = {**reply, "protocol": PROTOCOL, "blob": sum(map(len, blob))}
    parts = [json_text.dumps(head).encode() + b"\n", *blob]
    try:
        return lobby.send(connection, parts)
    except BlockingIOError:
        return parts
