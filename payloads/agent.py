"""The agent: what stays in the target for a session, and answers over the session's socket.

It runs in one thread that the `threading` module does not know of, waits without using the CPU,
and does nothing on its own but what it was asked for: an autosave, an end after some time.
"""

from __future__ import annotations

import json
import os
import sys
import time
from _thread import get_native_id
from typing import Any

from . import faults, forks, wire
from .session import NEVER, Session
from .tracing import Tracing

HURRYING = 1.0  # seconds in which the first request should have come
LEAVING = 0.2  # seconds that a fork waits for the agent's thread to be gone


class Agent:
    """The thread and the door of one session.

    `folder` is the path of the session's folder, `handler` the SIGTERM handler of `launch` or
    None, `original` returns functions as they were before gevent or eventlet replaced them, and
    `interval` is the switch interval, in seconds, to restore once measuring has begun.
    """

    def __init__(self, folder: str, handler: Any, original: Any, interval: float) -> None:
        self.folder = folder
        self.payloads = folder + "/payloads"
        self.original = original
        self.interval = interval
        self.session = Session(folder, handler, original("_thread", "RLock")())
        self.door = wire.Door(folder + "/agent.sock", original("select", "poll"))
        self.tracing = Tracing(original)
        self.session.verbs["trace"] = self.trace
        self.keeps_folder = False
        self.thread = 0
        self.resting = self.away = False
        self.turn = original("_thread", "allocate_lock")()

    def serve(self) -> None:
        """Answer requests until the session is over, or until the process is about to fork."""
        self.thread = get_native_id()
        try:
            while not self.session.is_over:
                connection = self.door.next(self.patience())
                self.tend()
                if connection is None:
                    self.calm_down()  # whoever had us started may have been killed
                    self.session.on_time()
                elif connection is not wire.SENT_AWAY:
                    self.answer(connection)
                elif self.leaves():
                    return
        except Exception as error:
            self.tell_fault(error)
        self.end()

    def patience(self) -> float | None:
        """Return for how many seconds nothing is to be done unless asked; None for ever."""
        seconds = self.session.patience()
        soonest = min(
            NEVER if seconds is None else seconds,
            self.tracing.patience(),
            HURRYING if self.interval else NEVER,
        )
        return None if soonest == NEVER else soonest

    def trace(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Begin to stream calls, whether anything is measured or not: a verb."""
        answer = self.tracing.begin(request)
        if self.session.measurement is None:
            self.session.ends = NEVER
        return answer

    def tend(self) -> None:
        """Look after a trace; with it ends a session in which nothing else is done."""
        self.tracing.tend()
        if self.tracing.has_ended and self.tracing.stream is None:
            self.tracing.has_ended = False
            self.session.is_over = self.session.is_over or self.session.measurement is None

    def answer(self, connection: Any) -> None:
        """Answer one request; a fault goes to the client with its traceback, and nowhere else."""
        busy_before = self.session.measurement is not None or self.tracing.is_on
        reply: dict[str, Any] = {}
        try:
            if not wire.peer_is_allowed(connection):
                return
            try:
                reply, blob = self.do(wire.receive(connection))
            except Exception as error:
                reply, blob = faults.reply(error, self.payloads), b""
            wire.send(connection, {**reply, "thread": self.thread}, blob)
            if reply.get("stream"):
                self.tracing.follow(connection, self.door.poll)
                connection = None
        except OSError:
            # The client has gone.  One that went while it was starting has given up.
            self.session.is_over = self.session.is_over or not busy_before
            if reply.get("stream"):
                self.tracing.end()
        finally:
            if connection is not None:
                connection.close()

    def do(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Do what a request asks for, and return the reply and its blob."""
        verb = self.session.verbs.get(str(request.get("verb")))
        if verb is None:
            raise wire.BadRequest(f"there is no verb {request.get('verb')!r}")
        reply = verb(request)
        cov = self.session.measurement and self.session.measurement.cov
        if cov:
            cov.covattach = self  # where `dump.py` and a debugger's prompt find it
        if cov or self.tracing.is_on:
            forks.watch(self)
            self.calm_down()
        return reply

    def calm_down(self) -> None:
        """Give the GIL's switch interval back, which `launch` had made shorter."""
        if self.interval:
            sys.setswitchinterval(self.interval)
        self.interval = 0.0

    def begin_as_told(self) -> None:
        """Begin at once where the session's folder says what to measure, as `start.py` does."""
        try:
            with open(self.folder + "/request.json", encoding="utf-8") as file:
                request = json.load(file)
        except OSError:
            return
        try:
            self.do(request)
        except Exception as error:
            self.tell_fault(error)

    def tell_fault(self, error: BaseException) -> None:
        """Leave a traceback in the session's folder, for want of anybody who listens."""
        self.keeps_folder = True
        try:
            with open(self.folder + "/fault", "w", encoding="utf-8") as file:
                file.write(faults.text(error, self.payloads))
        except OSError:
            return  # the folder has been removed: somebody has given up on us

    def end(self) -> None:
        """End the session; its folder goes too, unless something in it is still to be read."""
        forks.unwatch()
        self.tracing.end()
        self.tracing.close()
        self.door.close()
        self.calm_down()
        self.session.end()
        if not self.keeps_folder and not self.session.has_saved:
            remove_tree(self.folder)

    def rest(self) -> None:
        """End the agent's thread, so that the process can fork; called by the thread that forks.

        It is not waited for for long: it may be busy with a request, and then the fork goes on.
        """
        sleep = self.original("time", "sleep")  # gevent's would run other greenlets in a fork
        self.resting = True
        self.door.send_away()
        until = time.monotonic() + LEAVING
        while os.path.exists(f"/proc/self/task/{self.thread}") and time.monotonic() < until:
            sleep(0.0002)

    def leaves(self) -> bool:
        """Tell the agent's thread, when it is sent away, whether it is still wanted gone."""
        with self.turn:
            self.away = self.resting
        return self.away

    def resume(self) -> None:
        """Serve on in a new thread, after the fork, in the parent."""
        with self.turn:
            self.resting = False
            gone, self.away = self.away, False
        if gone:
            self.original("_thread", "start_new_thread")(self.serve, ())

    def leave_child(self) -> None:
        """Leave no trace in a child that was forked; called in the child's only thread."""
        self.tracing.close()
        self.tracing.end()
        self.door.close()
        self.session.leave_child()


def remove_tree(folder: str) -> None:
    """Remove a folder and all that is in it, if nobody else has.

    Not by `shutil`, whose import brings in every kind of compression there is.
    """
    try:
        for entry in os.scandir(folder):
            if entry.is_dir(follow_symlinks=False):
                remove_tree(entry.path)
            else:
                os.unlink(entry.path)
        os.rmdir(folder)
    except OSError:
        return  # covattach is removing it at the same time, and will be the one to say so


def run(folder: str, handler: Any, original: Any, interval: float) -> None:
    """Serve the session in its folder; the agent's thread runs this to its end.

    The arguments are Agent's.
    """
    agent = Agent(folder, handler, original, interval)
    agent.begin_as_told()
    agent.serve()
