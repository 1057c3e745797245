"""The agent lives in the target for a session, and answers over the session's socket.

It runs in one thread that the `threading` module does not know of, and waits without using the CPU.
It does nothing unasked: autosaves and an end after some time are asked for, too.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from .. import session_files
from ..errors import BadRequest
from ..processes import uwsgi
from ..server import listener, protocol
from ..trace.tracing import Tracing
from . import error_reply
from .at_fork import AtFork
from .descriptor_repair import SETTLING, DescriptorRepair
from .dump_verbs import DumpVerbs
from .record_verbs import RecordVerbs
from .session import NEVER, Session
from .session_folder import SessionFolder
from .shutdown import Shutdown
from .sigterm import Sigterm, die
from .thread import Thread

HURRYING = 1.0  # seconds between wake-ups until the first request has begun something
BEGINNING = ("start", "trace")  # verbs that begin to measure or trace


class Agent:
    """The agent of one session: its thread, its listener, and all that it installs in the target.

    `folder` is the SessionFolder, `payloads` the path of the folder with our sources.
    `start_thread` calls a function in a new thread that gets no signals.  `unpatched` returns
    functions as they were before gevent or eventlet replaced them, and `forks` are the ForkHooks of
    the process.  `interval` is the GIL's switch interval, in seconds, to restore once measuring has
    begun; 0 for none.
    """

    def __init__(
        self,
        folder: SessionFolder,
        payloads: str,
        start_thread: Any,
        unpatched: Any,
        forks: Any,
        interval: float = 0.0,
    ) -> None:
        self.folder = folder
        self.payloads = payloads
        self.unpatched = unpatched
        self.forks = forks
        self.interval = interval
        self.session = Session(folder, unpatched("_thread", "RLock")())
        self.sigterm = Sigterm()
        self.listener = listener.Listener(unpatched("select", "poll"))
        DumpVerbs(self.session)
        self.recording = RecordVerbs(self.session, self.listener)
        self.tracing = Tracing(self.session, self.listener, unpatched)
        self.repair: Any = DescriptorRepair(self)
        self.at_fork: Any = AtFork(self)
        self.shutdown: Any = Shutdown(self)
        self.master = uwsgi.Master()
        self.born = self.opens = NEVER
        self.keeps_folder = False
        self.thread = Thread(self.serve, start_thread, unpatched, self.stop)

    def serve(self) -> None:
        """Answer requests until the session is over, or until the process is about to fork."""
        self.thread.note_own()
        fault: BaseException | None = None
        try:
            while not self.session.is_over:
                connection = self.listener.next(self.patience())
                self.tracing.maintain()
                if connection in (listener.WOKEN, listener.LOST) and self.thread.leaves():
                    return
                self.attend(connection)
        except BaseException as error:
            fault = error
        self.stop(fault)

    def attend(self, connection: Any) -> None:
        """Handle `connection`, a result of `Listener.next`: a connection, a constant or None."""
        if connection is listener.TERMINATED:
            self.on_sigterm()
        elif connection is listener.LOST:
            self.on_loss()  # timed work may need descriptors, and waits
        elif connection is None:
            self.calm_down()  # the command that had us started may have been killed
            self.on_time()
        elif connection is not listener.WOKEN:
            self.answer(connection)

    def on_loss(self) -> None:
        """Reopen our descriptors that the application has closed, once it has opened its own."""
        self.repair.note()
        if self.repair.is_due():
            self.repair.make()

    def patience(self) -> float | None:
        """Return the seconds until the agent acts without a request; None for never."""
        patience = self.session.patience()
        due = min(
            self.opens - time.monotonic(),
            self.tracing.patience(),
            self.sigterm.patience(),
            HURRYING if self.interval or self.is_idle() else NEVER,
            NEVER if patience is None else patience,
        )
        return None if due == NEVER else max(due, 0.0)

    def is_idle(self) -> bool:
        """Tell whether there is neither a measurement nor a trace."""
        return self.session.measurement is None and not self.tracing.is_on

    def on_time(self) -> None:
        """Do the timed work that is due: listen in a child, end the session, or maintain it."""
        if time.monotonic() >= self.opens:
            self.open_in_child()
        elif self.session.tree is not None and self.session.tree.is_over():
            self.session.is_over = True  # the tree was stopped while no request could reach us
        elif self.is_idle() and self.folder.is_made and not self.folder.exists():
            self.session.is_over = True  # covattach gave up before we began: the target was busy
        else:
            self.session.on_time()
            self.sigterm.end_children()
            self.sigterm.maintain()

    def on_sigterm(self) -> None:
        """Save a snapshot and end the process by SIGTERM, if this process has received it."""
        if self.sigterm.is_for_us():
            if self.session.measurement is not None:
                self.session.autosave.save()
            self.die_if_told()

    def die_if_told(self) -> None:
        """End the process by SIGTERM, if it has received the signal.

        At exit too: the main thread may exit before the agent's thread has handled the signal.
        """
        if self.sigterm.is_for_us():
            self.sigterm.restore_default()
            die()

    def at_exit(self) -> None:
        """End the agent's thread before the interpreter is finalized; called after the last save.

        A thread that wakes up during finalization may not survive it.
        """
        self.die_if_told()
        self.sigterm.restore_default()
        self.thread.end_for_fork(self.listener.wakeup.wake)

    def open_in_child(self) -> None:
        """Listen on the socket in a forked child; later, if it may be becoming a daemon."""
        if self.repair.has_settled(self.born):
            self.opens = NEVER
            self.open()
        else:
            self.opens = time.monotonic() + SETTLING

    def open(self) -> None:
        """Listen on the session's socket; if its tree was stopped, end the session instead."""
        if self.session.tree is not None and self.session.tree.is_over():
            self.session.is_over = True
        else:
            self.folder.within(
                lambda folder: self.listener.open(f"{folder}/{session_files.SOCKET}")
            )

    def answer(self, connection: Any) -> None:
        """Answer the request of `connection`; an exception's traceback goes to the client alone."""
        busy_before = self.session.measurement is not None or self.tracing.is_on
        reply: dict[str, Any] = {}
        try:
            try:
                reply, blob = self.do(protocol.parse(self.listener.request))
            except Exception as error:
                reply, blob = error_reply.reply(error, self.payloads), []
            rest = protocol.send(connection, {**reply, "thread": self.thread.native_id}, blob)
            if reply.get("stream"):
                self.tracing.follow(connection)
                connection = None
            elif rest:
                self.listener.clients.send_rest_and_close(connection, rest)
                connection = None
        except OSError:
            # The client has gone.  If this request was to begin the session, that was given up.
            self.session.is_over = self.session.is_over or not busy_before
            if reply.get("stream"):
                self.tracing.stop()
        finally:
            if connection is not None:
                self.listener.clients.close_connection(connection)

    def do(self, request: dict[str, Any]) -> protocol.Reply:
        """Execute the verb of `request`, and return the reply and its blob.

        Raises BadRequest for an unknown verb, and the exceptions of the verb.
        """
        verb = self.session.verbs.get(str(request.get("verb")))
        if verb is None:
            raise BadRequest(f"there is no verb {request.get('verb')!r}")
        self.listener.was_useful = True
        if request["verb"] in BEGINNING:
            self.master.install()
        reply = verb(request)
        try:
            self.install_hooks()
        except BaseException:
            # Without its hooks nothing may begin: the session ends.  After other verbs it goes on.
            self.session.is_over = self.session.is_over or request["verb"] in BEGINNING
            raise
        return reply

    def install_hooks(self) -> None:
        """Install the handlers of SIGTERM, exit and fork, if there is a measurement or a trace."""
        cov = self.session.measurement and self.session.measurement.cov
        if cov:
            cov.covattach = self  # where `dump.py` and a debugger's prompt find it
            if self.sigterm.receiver is None and self.sigterm.install():
                self.listener.receiver = self.sigterm.receiver
            self.sigterm.maintain()
            self.session.autosave.then = self.at_exit
        if cov or self.tracing.is_on:
            self.watch_forks()
            self.calm_down()

    def watch_forks(self) -> None:
        """Have the fork hooks end the agent's thread before each fork, from now on."""
        self.forks.agent = self.at_fork

    def calm_down(self) -> None:
        """Give the GIL's switch interval back, which `launch` had made shorter."""
        if self.interval:
            sys.setswitchinterval(self.interval)
        self.interval = 0.0

    def stop(self, fault: BaseException | None = None) -> None:
        """End the session and undo everything; `fault`, the exception that ends it, is reported."""
        self.shutdown.run(fault)
