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
from .session import Session

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
        self.keeps_folder = False
        self.thread = 0
        self.resting = self.away = False
        self.turn = original("_thread", "allocate_lock")()

    def serve(self) -> None:
        """Answer requests until the session is over, or until the process is about to fork."""
        self.thread = get_native_id()
        try:
            while not self.session.is_over:
                connection = self.door.next(self.session.patience())
                if connection is None:
                    self.session.on_time()
                elif connection is not wire.SENT_AWAY:
                    self.answer(connection)
                elif self.leaves():
                    return
        except Exception as error:
            self.tell_fault(error)
        self.end()

    def answer(self, connection: Any) -> None:
        """Answer one request; a fault goes to the client with its traceback, and nowhere else."""
        measured_before = self.session.measurement is not None
        try:
            try:
                reply, blob = self.do(wire.parse(self.door.request))
            except Exception as error:
                reply, blob = faults.reply(error, self.payloads), b""
            rest = wire.send(connection, {**reply, "thread": self.thread}, blob)
            if rest:
                self.door.lobby.see_off(connection, rest)
                connection = None
        except OSError:
            # The client has gone.  One that went while it was starting has given up.
            self.session.is_over = self.session.is_over or not measured_before
        finally:
            if connection is not None:
                self.door.lobby.leave(connection)

    def do(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Do what a request asks for, and return the reply and its blob."""
        verb = self.session.verbs.get(str(request.get("verb")))
        if verb is None:
            raise wire.BadRequest(f"there is no verb {request.get('verb')!r}")
        self.door.is_earnest = True
        reply = verb(request)
        cov = self.session.measurement and self.session.measurement.cov
        if cov and self.interval:
            cov.covattach = self  # where `dump.py` and a debugger's prompt find it
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
        self.door.close(at_once=True)
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
