"""The door: where the agent waits, for callers, for its time, and to be sent away.

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
from .clients import Lobby
from .wakeup_pipes import Bell, Watch

SENT_AWAY, TERMINATED, LOST = object(), object(), object()
# Callers who ask for nothing, such as those who send garbage, are listened to so often at once, and
# so often a second then; and for what they cost the processor, so many times as long not at all.
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


class Door:
    """The listening socket, who has come in by it, and a way to send away whoever waits."""

    def __init__(self, new_poll: Any) -> None:
        """Have a way to send away; `new_poll` is `select.poll`, unpatched."""
        self.new_poll = new_poll
        self.path = ""
        self.listener: Socket | None = None
        self.receiver: Socket | None = None
        self.watched: dict[int, Watch] = {}
        self.watches = 0
        self.streams: list[Any] = []
        self.bell = Bell()
        self.lobby = Lobby(new_poll, self.bell.read_end)
        self.request = b""
        self.is_earnest = True  # whether what was done last had been asked for
        self.used = 0.0
        self.allowed, self.since = float(AT_ONCE), time.monotonic()
        self.rests_until = 0.0
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
        if self.listener is not None:
            self.listener.close()
        self.listener, self.path = listener, path

    def held(self) -> list[Descriptor]:
        """Return the descriptors that it waits at, but for callers'."""
        own = [self.bell.read_end, self.bell.write_end, self.listener, self.receiver]
        watched = [watch.reading for watch in self.watched.values()]
        return [one for one in (*own, *watched) if one is not None]

    def is_whole(self) -> bool:
        """Tell whether the application has closed none of it."""
        return all(one.is_ours() for one in self.held())

    def renew(self) -> None:
        """Reopen the descriptors that the application has closed, but for the listening socket.

        Raises OSError.
        """
        if not self.bell.is_ours():
            bell, self.bell = self.bell, Bell()
            bell.close()
            self.lobby.source = self.bell.read_end
        self.lobby.renew()
        for token, watch in list(self.watched.items()):
            if not watch.reading.is_ours():
                del self.watched[token]
                self.watch(watch.path, watch.then, token)

    def next(self, seconds: float | None) -> Any:
        """Return the next connection whose `request` is there, SENT_AWAY, TERMINATED, LOST or None.

        None is returned after `seconds` (None: for ever), and now and then before.
        """
        self.calm()
        self.rest()
        if not self.is_whole():
            self.new_poll().poll(1000 * NAP)
            return LOST
        ready = self.wait(seconds)
        self.hurry()
        found = self.attend(ready) if self.is_whole() else LOST
        if found in (SENT_AWAY, LOST, None):
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
        resting = max(self.rests_until - time.monotonic(), 0.0)
        poll = self.new_poll()
        for number, events in self.awaited(is_resting=resting > 0):
            poll.register(number, events)
        waits = (seconds, LOOK, resting or self.lobby.patience())
        soonest = min(wait for wait in waits if wait is not None)
        ready = poll.poll(1000 * soonest)
        self.used, self.is_earnest = time.thread_time(), not ready
        return {number for number, _ in ready}

    def awaited(self, is_resting: bool) -> list[tuple[int, int]]:
        """Return the numbers to wait at, and for which events: not for callers while it rests."""
        found = [(self.bell.read_end.number, select.POLLIN)]
        if self.receiver is not None:
            found.append((self.receiver.number, select.POLLIN))
        if is_resting:
            return found
        if self.listener is not None:
            found.append((self.listener.number, select.POLLIN))
        # POLLHUP, which is all that there is to be told of a FIFO, is always told.
        found += [(watch.reading.number, 0) for watch in self.watched.values()]
        found += [(one.connection.number, one.events()) for one in self.streams]
        return found + self.lobby.awaited()

    def attend(self, ready: set[int]) -> Any:
        """Attend to the descriptors that are ready; return the same as `next`."""
        if self.bell.read_end.number in ready:
            self.bell.silence()
            self.is_earnest = True
            return SENT_AWAY
        if self.receiver is not None and self.receiver.number in ready:
            self.is_earnest = True
            return TERMINATED
        for token, watch in list(self.watched.items()):
            if watch.reading.number in ready:
                self.is_earnest = True
                self.forget(token)()
        if self.listener is not None and self.listener.number in ready:
            try:
                ready.add(self.lobby.admit(self.listener))  # most have asked already
            except OSError:
                self.rests_until = time.monotonic() + BREATH  # no descriptor is left
        asked = self.lobby.asked(ready)
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

    def watch(self, path: str, then: Any, token: int = 0) -> int:
        """Call `then`, in the thread that waits, when nobody has the FIFO at `path` open to write.

        Returns what `forget` takes, -1 where that is so already; raises OSError.  With a `token`,
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

    def forget(self, token: int) -> Any:
        """Stop watching a FIFO, and close it; return the function to call at its end."""
        watch = self.watched.pop(token, None)
        if watch is None:
            return None
        watch.reading.close()
        return watch.then

    def close(self, at_once: bool = False) -> None:
        """Close all descriptors; does nothing the second time.

        Replies that are on their way are sent first, and nobody finds the door any more, unless it
        has to be `at_once`, in a child that was forked: then it is the parent's.
        """
        if self.listener is not None:
            self.listener.close()
        for token in list(self.watched):
            self.forget(token)
        if not at_once:
            if self.path:
                with contextlib.suppress(OSError):
                    os.unlink(self.path)
            self.lobby.empty()
        self.lobby.close()
        self.bell.close()
        self.listener = self.receiver = None
        self.path = ""
