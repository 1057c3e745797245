"""The wait for the agent after an injection, and the undoing of an attach that has failed."""

from __future__ import annotations

import time

from covattach.deadline import Deadline
from covattach.errors import CovattachError, NoSafePoint, NotNow, PayloadFailed
from covattach.injector.injection import Injection
from covattach.interrupts import Interrupted
from covattach.process import procfs_errors
from covattach.process.process import Process
from covattach.session import agent_client, agent_errors
from covattach.session.folder import SessionFolder

ASKING = 2.0  # seconds for an agent to answer `status`
UNDOING = 3.0  # seconds after the deadline, to undo everything
CLOSING = 1.0  # seconds between the end of a connection and that of its process


def wait_for_agent(
    process: Process, place: SessionFolder, injection: Injection, deadline: Deadline
) -> None:
    """Wait until the agent listens; raises NoSafePoint, PayloadFailed, NotNow.

    `place` is the session's folder, with the agent's socket.
    """
    while not listens(place, deadline):
        if place.fault:
            raise agent_errors.payload_failed(place.fault)
        if not process.is_alive():
            raise NotNow(
                f"Process {process.pid} ended while it was attached to.",
                "Look for its successor with `covattach ps`.",
                "\n".join(injection.transcript),
            )
        if deadline.is_over and injection.method == "pyrasite":
            raise NoSafePoint(
                f"pyrasite ended, but has injected nothing into process {process.pid}.",
                "Use the default method.",
                "\n".join(injection.transcript),
            )
        if deadline.is_over and injection.keeps_gil:
            raise NoSafePoint(
                f"Process {process.pid} keeps the GIL while it waits in C code, so that no Python"
                " can run in it.",
                "Try again while it runs some Python: send it requests. For uWSGI, add"
                " `--enable-threads`.",
                "\n".join(injection.transcript),
            )
        if deadline.is_over:
            raise NoSafePoint(
                f"Process {process.pid} reached no safe point in time; it runs on untouched.",
                "It is busy in C code or blocked: try again, or give it longer: `--timeout 60`.",
                "\n".join(injection.transcript),
            )
        time.sleep(0.005)


def listens(place: SessionFolder, deadline: Deadline) -> bool:
    """Whether an agent answers at the socket in the folder `place`; False if it is silent."""
    try:
        return agent_client.answers(place, deadline.within(ASKING).left) is not None
    except agent_client.NoAnswer:
        return False


def not_begun(process: Process, reason: agent_client.NoAnswer) -> CovattachError:
    """Return the error to raise where the agent has not answered that measuring has begun."""
    if isinstance(reason, agent_client.NobodyThere) and ends(process):
        return procfs_errors.ended(process.pid)
    return NoSafePoint(
        f"Process {process.pid} did not begin to be measured in time ({reason}); it runs on"
        " untouched.",
        "It has many busy threads, or keeps the GIL: give it longer: `--timeout 2m`.",
    )


def ends(process: Process) -> bool:
    """Whether the process ends now: the kernel closes its sockets before it is a zombie."""
    deadline = Deadline.after(CLOSING)
    while process.is_alive():
        if deadline.is_over:
            return False
        time.sleep(0.005)
    return True


def undo_attach(process: Process, place: SessionFolder, injection: Injection | None) -> bool:
    """Undo an attach: withdraw the line, stop the agent, and remove the session's folder `place`.

    Returns whether it is certain that nothing is left in the target.  If not, the agent ends by
    itself once it can run: it finds its folder gone, and nobody at the other end.
    """
    claimed = not place.remove_token()
    if injection is not None:
        injection.cancel()
    deadline = Deadline.after(UNDOING)
    is_over = not claimed
    while not is_over and not deadline.is_over:
        # The line has run, so there is an agent, or there will be one in a moment.
        is_over = bool(place.fault) or not place.path.exists() or not process.is_alive()
        if not is_over and listens(place, deadline):
            is_over = stopped(process, place, deadline)
        time.sleep(0.005)
    place.remove()
    return is_over


def stopped(process: Process, place: SessionFolder, deadline: Deadline) -> bool:
    """Ask the agent to stop; return whether it has stopped, and its thread has ended."""
    try:
        thread = int(agent_client.ask(place, "stop", deadline.at)[0].get("thread", 0))
    except agent_client.NobodyThere:
        return True  # it has ended itself
    except (agent_client.NoAnswer, CovattachError):
        return False
    while thread in process.inner_threads and not deadline.is_over:
        time.sleep(0.002)
    return thread not in process.inner_threads


def not_undone(process: Process, error: BaseException) -> BaseException:
    """Return the error to raise in place of `error`, where an agent may be left in the target."""
    left = (
        f"The agent in process {process.pid} does not answer: it measures nothing, and ends by"
        " itself as soon as Python can run there."
    )
    if isinstance(error, KeyboardInterrupt):
        return Interrupted(f"Interrupted. {left}")
    if isinstance(error, PayloadFailed):
        return error  # it has been undone there, or tells that it could not be
    return NotNow(
        left,
        f"Look with `covattach status {process.pid}`, or give it longer: `--timeout 2m`.",
        getattr(error, "details", "") or str(error),
    )
