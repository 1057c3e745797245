"""The listening socket, at which the agent waits: for clients, for its time, and to be woken.

The application may close the descriptors that it waits at, see `descriptors`.  `poll` keeps waiting
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

WOKEN, TERMINATED, LOST = object(), object(), object()
# A client that sends no valid request spends a token.  There are AT_ONCE of them, and A_SECOND more
# each second; and after each such client nobody is listened to for REST times the CPU that it took.
# It is not the processor that they cost a busy target most, but that each has the GIL change hands
# about ten times, which takes it 3.4 ms (measured on 3.14, two virtual cores).
AT_ONCE = 20
A_SECOND = 10
REST = 50
BREATH = 0.2  # seconds after which it is tried again to let a caller in
LOOK = 10.0  # seconds after which is looked whether all is still ours; mostly `poll` tells of it
BEARABLE = 0.05  # seconds of the GIL's switch interval; the usual one has 0.005
HURRY = 0.0002  # as launch.py has it
NAP = 0.02  # seconds, while nothing can be waited at


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
        self.was_useful = True  # whether what was done last had been asked for
        self.used = 0.0
        self.allowed, self.since = float(AT_ONCE), time.monotonic()
        self.throttled_until = 0.0
        self.interval = 0.0  # the application's, while we hurry

    def open(self, path: str) -> None:
        """Listen at `path`, in a folder of mode 0700; raises OSError.

        Also again, where the application has closed what listened there.
        """
        kind = _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC
        listener = Socket(_socket.socket(_socket.AF_UNIX, kind), descriptors.far())
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
        """Return the descriptors that it waits at, but for those of clients."""
        own = [self.wakeup.read_end, self.wakeup.write_end, self.socket, self.receiver]
        watched = [watch.reading for watch in self.watched.values()]
        return [one for one in (*own, *watched) if one is not None]

    def is_whole(self) -> bool:
        """Tell whether the application has closed none of it."""
        return all(one.is_ours() for one in self.held())

    def renew(self) -> None:
        """Reopen the descriptors that the application has closed, but for the listening socket.

        Raises OSError.
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
        """Return the next connection whose `request` is there, SENT_AWAY, TERMINATED, LOST or None.

        None is returned after `seconds` (None: for ever), and now and then before.
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
        """Have the GIL change hands often until `calm`, where the application has it do so seldom.

        Each of our system calls would have us wait for so long.
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
        """Wait for that time at the most; return the numbers of the descriptors that are ready."""
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
        """Return the numbers to wait at, and for which events: not for clients while throttled."""
        found = [(self.wakeup.read_end.number, select.POLLIN)]
        if self.receiver is not None:
            found.append((self.receiver.number, select.POLLIN))
        if is_throttled:
            return found
        if self.socket is not None:
            found.append((self.socket.number, select.POLLIN))
        # POLLHUP, which is all that there is to be told of a FIFO, is always told.
        found += [(watch.reading.number, 0) for watch in self.watched.values()]
        found += [(one.connection.number, one.events()) for one in self.streams]
        return found + self.clients.awaited()

    def attend(self, ready: set[int]) -> Any:
        """Attend to the descriptors that are ready; return the same as `next`."""
        if self.wakeup.read_end.number in ready:
            self.wakeup.clear()
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
                ready.add(self.clients.admit(self.socket))  # most have asked already
            except OSError:
                self.throttled_until = time.monotonic() + BREATH  # no descriptor is left
        asked = self.clients.asked(ready)
        if asked is None:
            return None
        connection, self.request = asked
        return connection

    def throttle(self) -> None:
        """Make clients that sent no valid request wait, and spare the target."""
        if not self.was_useful:
            now, used = time.monotonic(), time.thread_time() - self.used
            self.allowed += A_SECOND * (now - self.since) - 1
            self.allowed, self.since = min(self.allowed, AT_ONCE), now
            wait = max(REST * used, -self.allowed / A_SECOND)
            self.throttled_until = max(self.throttled_until, now + wait)
            self.was_useful = True

    def watch(self, path: str, then: Any, token: int = 0) -> int:
        """Call `then`, in the thread that waits, when nobody has the FIFO at `path` open to write.

        Returns what `unwatch` takes, -1 where that is so already; raises OSError.  With a `token`,
        it goes on that had been watched before, and may have been removed meanwhile.
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
        """Stop watching a FIFO, and close it; return the function to call at its end."""
        watch = self.watched.pop(token, None)
        if watch is None:
            return None
        watch.reading.close()
        return watch.then

    def close(self, at_once: bool = False) -> None:
        """Close all descriptors; does nothing the second time.

        Replies that are on their way are sent first, and no client finds the socket any more.  In a
        child that was forked it has to be `at_once`, and the socket's path is the parent's.
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
