"""Waits by `poll` for the agent's next event: a client, a wake-up, a signal, or a time-out.

The application may close the descriptors that are polled, see `descriptors`.  `poll` keeps waiting
at the files that it was given (poll(2)), and returns when the other end of its own pipe is closed.
Every descriptor is checked before each wait, and again before it is used.
"""

from __future__ import annotations

import _socket
import contextlib
import os
import select
import sys
import time
from typing import Any

from ..interpreter import descriptors
from ..interpreter.descriptors import Descriptor, Socket
from .clients import ClientPool
from .wakeup_pipes import WakeupPipe, Watch

WOKEN, TERMINATED, LOST = object(), object(), object()  # results of `Listener.next`, see there
# A client that sends no valid request spends a token.  There are AT_ONCE of them, and A_SECOND more
# each second; and after each such client none is served for REST times the CPU time that it took.
# A busy target loses less by that CPU time than by the GIL, which changes hands about ten times for
# each such client: that takes 3.4 ms (measured on 3.14, two virtual cores).
AT_ONCE = 20
A_SECOND = 10
REST = 50
BREATH = 0.2  # seconds until the next try to accept a client, if no descriptor was left
LOOK = 10.0  # seconds between checks of our descriptors; mostly `poll` returns when one is lost
BEARABLE = 0.05  # the longest switch interval of the GIL, in seconds, that is not shortened
HURRY = 0.0002  # the interval that it is shortened to, as in launch.py
NAP = 0.02  # seconds to wait while descriptors are lost


class Listener:
    """The listening socket, its clients, and a pipe by which the thread that waits is woken."""

    def __init__(self, new_poll: Any) -> None:
        """Make the pipe that wakes; `new_poll` is `select.poll`, unpatched."""
        self.new_poll = new_poll
        self.path = ""
        self.socket: Socket | None = None
        self.receiver: Socket | None = None
        self.watched: dict[int, Watch] = {}
        self.watches = 0
        self.streams: list[Any] = []
        self.wakeup = WakeupPipe()
        self.clients = ClientPool(new_poll, self.wakeup.read_end)
        self.request = b""
        self.was_useful = True  # whether the last event was for something requested
        self.used = 0.0  # CPU seconds of this thread when that event came
        self.allowed, self.since = float(AT_ONCE), time.monotonic()
        self.throttled_until = 0.0
        self.interval = 0.0  # the application's, while we hurry

    def open(self, path: str) -> None:
        """Listen on a Unix socket at `path`, in a folder of mode 0700; raises OSError.

        The new socket replaces an earlier one, which the application may have closed.
        """
        kind = _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC
        listener = Socket(_socket.socket(_socket.AF_UNIX, kind), descriptors.lowest_own_number())
        beside = path + ".new"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(beside)
        listener.checked().bind(beside)
        os.chmod(beside, 0o600)
        listener.checked().listen(16)
        os.replace(beside, path)
        if self.socket is not None:
            self.socket.close()
        self.socket, self.path = listener, path

    def held(self) -> list[Descriptor]:
        """Return the open descriptors that `next` polls, but not those of clients and streams."""
        own = [self.wakeup.read_end, self.wakeup.write_end, self.socket, self.receiver]
        watched = [watch.reading for watch in self.watched.values()]
        return [one for one in (*own, *watched) if one is not None]

    def is_whole(self) -> bool:
        """Tell whether all of the `held` descriptors are open: the application has closed none."""
        return all(one.is_ours() for one in self.held())

    def renew(self) -> None:
        """Reopen the descriptors that the application has closed: wake-up pipe, spare, leases.

        Not the listening socket and `receiver`.  Raises OSError.
        """
        if not self.wakeup.is_ours():
            pipe, self.wakeup = self.wakeup, WakeupPipe()
            pipe.close()
            self.clients.source = self.wakeup.read_end
        self.clients.renew()
        for token, watch in list(self.watched.items()):
            if not watch.reading.is_ours():
                del self.watched[token]
                self.watch(watch.path, watch.then, token)

    def next(self, seconds: float | None) -> Any:
        """Wait for the next event; return a connection, WOKEN, TERMINATED, LOST or None.

        The connection's request is in `request`.  WOKEN: by the pipe.  TERMINATED: by `receiver`.
        LOST: the application has closed descriptors.  None: after `seconds` (None: never), and now
        and then before.
        """
        self.calm()
        self.throttle()
        if not self.is_whole():
            self.new_poll().poll(1000 * NAP)
            return LOST
        ready = self.wait(seconds)
        self.hurry()
        found = self.attend(ready) if self.is_whole() else LOST
        if found in (WOKEN, LOST, None):
            self.calm()
        return found

    def hurry(self) -> None:
        """Shorten the GIL's switch interval until `calm`, if the application has a long one.

        Each of our system calls might have to wait for so long.
        """
        interval = sys.getswitchinterval()
        if interval > BEARABLE:
            self.interval = interval
            sys.setswitchinterval(HURRY)

    def calm(self) -> None:
        """Give the application's switch interval back, unless it has set another meanwhile."""
        interval, self.interval = self.interval, 0.0
        if interval and sys.getswitchinterval() < 2 * HURRY:
            sys.setswitchinterval(interval)

    def wait(self, seconds: float | None) -> set[int]:
        """Wait up to `seconds` (None: no limit), or LOOK, and return the ready descriptors."""
        throttled = max(self.throttled_until - time.monotonic(), 0.0)
        poll = self.new_poll()
        for number, events in self.awaited(is_throttled=throttled > 0):
            poll.register(number, events)
        waits = (seconds, LOOK, throttled or self.clients.patience())
        soonest = min(wait for wait in waits if wait is not None)
        ready = poll.poll(1000 * soonest)
        self.used, self.was_useful = time.thread_time(), not ready
        return {number for number, _ in ready}

    def awaited(self, is_throttled: bool) -> list[tuple[int, int]]:
        """Return the descriptors to poll, with event masks; without clients if `is_throttled`."""
        found = [(self.wakeup.read_end.number, select.POLLIN)]
        if self.receiver is not None:
            found.append((self.receiver.number, select.POLLIN))
        if is_throttled:
            return found
        if self.socket is not None:
            found.append((self.socket.number, select.POLLIN))
        # POLLHUP, the only event of a FIFO that matters here, needs no mask.
        found += [(watch.reading.number, 0) for watch in self.watched.values()]
        found += [(one.connection.number, one.events()) for one in self.streams]
        return found + self.clients.awaited()

    def attend(self, ready: set[int]) -> Any:
        """Attend to the descriptors that are ready; return the same as `next`."""
        if self.wakeup.read_end.number in ready:
            self.wakeup.drain()
            self.was_useful = True
            return WOKEN
        if self.receiver is not None and self.receiver.number in ready:
            self.was_useful = True
            return TERMINATED
        for token, watch in list(self.watched.items()):
            if watch.reading.number in ready:
                self.was_useful = True
                self.unwatch(token)()
        if self.socket is not None and self.socket.number in ready:
            try:
                ready.add(self.clients.admit(self.socket))  # most have sent their request already
            except OSError:
                self.throttled_until = time.monotonic() + BREATH  # no descriptor is left
        asked = self.clients.asked(ready)
        if asked is None:
            return None
        connection, self.request = asked
        return connection

    def throttle(self) -> None:
        """Serve no client for some time after one without a valid request, to spare the target."""
        if not self.was_useful:
            now, used = time.monotonic(), time.thread_time() - self.used
            self.allowed += A_SECOND * (now - self.since) - 1
            self.allowed, self.since = min(self.allowed, AT_ONCE), now
            wait = max(REST * used, -self.allowed / A_SECOND)
            self.throttled_until = max(self.throttled_until, now + wait)
            self.was_useful = True

    def watch(self, path: str, then: Any, token: int = 0) -> int:
        """Call `then`, in the thread that waits, once the FIFO at `path` has no writer any more.

        Returns a token for `unwatch`, or -1 after it has called `then` at once.  With a `token`, a
        watch whose descriptor was lost is renewed; then the FIFO may be missing.  Raises OSError.
        """
        try:
            watch = Watch(path, then)
        except FileNotFoundError:
            if not token:
                raise
            then()
            return -1
        if watch.is_over():
            watch.reading.close()
            then()
            return -1
        if not token:
            token = self.watches = self.watches + 1
        self.watched[token] = watch
        return token

    def unwatch(self, token: int) -> Any:
        """Close the FIFO watched by `token`, and return its function `then`; None for no watch."""
        watch = self.watched.pop(token, None)
        if watch is None:
            return None
        watch.reading.close()
        return watch.then

    def close(self, at_once: bool = False) -> None:
        """Close all descriptors, after pending replies were sent; does nothing the second time.

        The socket is removed first.  A forked child has to do it `at_once`: it sends no reply and
        removes no socket, as both are the parent's.
        """
        if self.socket is not None:
            self.socket.close()
        for token in list(self.watched):
            self.unwatch(token)
        if not at_once:
            if self.path:
                with contextlib.suppress(OSError):
                    os.unlink(self.path)
            self.clients.finish_replies()
        self.clients.close()
        self.wakeup.close()
        self.socket = self.receiver = None
        self.path = ""
