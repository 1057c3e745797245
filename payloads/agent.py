"""The agent: what stays in the target for a session, and answers over the session's socket.

It runs in one thread that the `threading` module does not know of, waits without using the CPU,
and does nothing on its own but what it was asked for: an autosave, an end after some time.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from . import faults, tree, uwsgi, wire
from .dumping import Dumping
from .place import Place
from .recording import Recording
from .session import NEVER, Session
from .sigterm import Sigterm, die
from .thread import Thread
from .tracing import Tracing

HURRYING = 1.0  # seconds in which the first request should have come
BEGINNING = ("start", "trace")
SETTLING = 0.05  # seconds after which a child that has not become another program stays itself


class Agent:
    """The thread and the door of one session.

    `place` is where the session's folder is, `payloads` the folder with our sources, `start_thread`
    calls a function in a thread that gets no signals, `original`
    returns functions as they were before gevent or eventlet replaced them, `forks` tells of forks,
    and `interval` is the switch interval, in seconds, to restore once measuring has begun.
    """

    def __init__(
        self,
        place: Place,
        payloads: str,
        start_thread: Any,
        original: Any,
        forks: Any,
        interval: float = 0.0,
    ) -> None:
        self.place = place
        self.payloads = payloads
        self.original = original
        self.forks = forks
        self.interval = interval
        self.session = Session(place, original("_thread", "RLock")())
        self.sigterm = Sigterm()
        self.door = wire.Door(original("select", "poll"))
        Dumping(self.session)
        self.recording = Recording(self.session, self.door)
        self.tracing = Tracing(self.session, self.door, original)
        self.master = uwsgi.Master()
        self.opens = NEVER
        self.keeps_folder = False
        self.thread = Thread(self.serve, start_thread, original)

    def serve(self) -> None:
        """Answer requests until the session is over, or until the process is about to fork."""
        self.thread.note_own()
        try:
            while not self.session.is_over:
                connection = self.door.next(self.patience())
                self.tracing.tend()
                if connection is None:
                    self.calm_down()  # whoever had us started may have been killed
                    self.on_time()
                elif connection is wire.TERMINATED:
                    self.on_sigterm()
                elif connection is not wire.SENT_AWAY:
                    self.answer(connection)
                elif self.thread.leaves():
                    return
        except Exception as error:
            self.tell_fault(error)
        self.end()

    def patience(self) -> float | None:
        """Return for how many seconds nothing is to be done unless asked; None for ever."""
        patience = self.session.patience()
        due = min(
            self.opens - time.monotonic(),
            self.tracing.patience(),
            HURRYING if self.interval else NEVER,
            NEVER if patience is None else patience,
        )
        return None if due == NEVER else max(due, 0.0)

    def on_time(self) -> None:
        """Do what is due."""
        if time.monotonic() >= self.opens:
            self.opens = NEVER
            self.open()
        elif self.session.tree is not None and self.session.tree.is_over():
            self.session.is_over = True  # it has been stopped while we could not be asked
        else:
            self.session.on_time()
            self.sigterm.tend()

    def on_sigterm(self) -> None:
        """Save and die, if the signal was for this process."""
        if self.sigterm.is_for_us():
            if self.session.measurement is not None:
                self.session.last.save()
            self.die_if_told()

    def die_if_told(self) -> None:
        """End by SIGTERM, if it has come; also where the main thread is quicker to exit than we."""
        if self.sigterm.is_for_us():
            self.sigterm.let()
            die()

    def at_exit(self) -> None:
        """Be gone before the interpreter is: a thread that wakes in its end may not survive it."""
        self.die_if_told()
        self.sigterm.let()
        self.thread.rest(self.door.send_away)

    def open(self) -> None:
        """Open the door; where the tree has been stopped meanwhile, end instead."""
        if self.session.tree is not None and self.session.tree.is_over():
            self.session.is_over = True
        else:
            self.place.within(lambda folder: self.door.open(folder + "/agent.sock"))

    def answer(self, connection: Any) -> None:
        """Answer one request; a fault goes to the client with its traceback, and nowhere else."""
        busy_before = self.session.measurement is not None or self.tracing.is_on
        reply: dict[str, Any] = {}
        try:
            try:
                reply, blob = self.do(wire.parse(self.door.request))
            except Exception as error:
                reply, blob = faults.reply(error, self.payloads), []
            rest = wire.send(connection, {**reply, "thread": self.thread.native_id}, blob)
            if reply.get("stream"):
                self.tracing.follow(connection)
                connection = None
            elif rest:
                self.door.lobby.see_off(connection, rest)
                connection = None
        except OSError:
            # The client has gone.  One that went while it was starting has given up.
            self.session.is_over = self.session.is_over or not busy_before
            if reply.get("stream"):
                self.tracing.end()
        finally:
            if connection is not None:
                self.door.lobby.leave(connection)

    def do(self, request: dict[str, Any]) -> wire.Reply:
        """Do what a request asks for, and return the reply and its blob."""
        verb = self.session.verbs.get(str(request.get("verb")))
        if verb is None:
            raise wire.BadRequest(f"there is no verb {request.get('verb')!r}")
        self.door.is_earnest = True
        if request["verb"] in BEGINNING:
            self.master.begin()
        reply = verb(request)
        cov = self.session.measurement and self.session.measurement.cov
        if cov:
            cov.covattach = self  # where `dump.py` and a debugger's prompt find it
            if self.sigterm.receiver is None and self.sigterm.take():
                self.door.watch_sigterm(self.sigterm.receiver)
            self.sigterm.tend()
            self.session.last.then = self.at_exit
        if cov or self.tracing.is_on:
            self.watch_forks()
            self.calm_down()
        return reply

    def watch_forks(self) -> None:
        """Have forks wait until we are out of the way, from now on."""
        self.forks.agent = self

    def calm_down(self) -> None:
        """Give the GIL's switch interval back, which `launch` had made shorter."""
        if self.interval:
            sys.setswitchinterval(self.interval)
        self.interval = 0.0

    def tell_fault(self, error: BaseException) -> None:
        """Leave a traceback in the session's folder, for want of anybody who listens."""
        self.keeps_folder = True
        try:
            with open(self.place.make() + "/fault", "w", encoding="utf-8") as file:
                file.write(faults.text(error, self.payloads))
        except OSError:
            return  # the folder has been removed: somebody has given up on us

    def end(self) -> None:
        """End the session; its folder goes too, unless something in it is still to be read."""
        if self.forks.agent is self:
            self.forks.agent = None
        self.master.end()
        self.tracing.end()
        self.tracing.close()
        self.sigterm.give_back()
        self.recording.give_back()
        self.door.close()
        self.calm_down()
        self.session.end()
        self.session.verbs.clear()  # they refer to it, as `serve` does to this
        self.thread.serve = tuple
        is_trees = self.session.tree is not None and self.session.tree.folder == self.place.path
        keeps = is_trees or self.keeps_folder or self.session.has_saved
        if self.place.is_made and not keeps:
            self.place.remove()

    def rest(self) -> None:
        """Have the agent's thread end, so that the process can fork; called by who forks."""
        self.sigterm.let()  # it would come to us, who are to be gone, and from the child too
        self.thread.rest(self.door.send_away)

    def resume(self, forking: Any) -> None:
        """Serve on in a new thread, after the fork, in the parent; `forking` is its frame.

        It has none in uWSGI's master: what called that does not go on.
        """
        self.sigterm.catch()
        self.thread.resume(None if uwsgi.is_master() else forking, self.session.tool())

    def goes_on_in_child(self) -> bool:
        """Go on in a child that was forked, or leave no trace in it; tell whether it goes on.

        Called in the child's only thread, before the fork returns there.
        """
        self.tracing.close()
        self.tracing.end()
        self.door.close(at_once=True)
        self.sigterm.give_back()
        if not self.session.goes_on_in_child():
            self.session.leave_child()
            self.master.end()
            self.calm_down()
            return False
        self.recording.end_in_child()
        self.thread.begin_anew()
        self.keeps_folder = False
        self.place = tree.place(self.session.tree.folder, self.session.tree.key, self.original)
        self.session.go_on(self.place, self.original("_thread", "RLock")())
        self.settle()
        return True

    def settle(self) -> None:
        """Have a thread that serves, and opens the door unless we become another program first."""
        self.door = wire.Door(self.original("select", "poll"))
        if self.sigterm.receiver is not None or self.sigterm.take():
            self.door.watch_sigterm(self.sigterm.receiver)
        self.recording.door = self.tracing.door = self.door
        self.opens = time.monotonic() + SETTLING
        self.thread.start()
