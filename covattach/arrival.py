"""The agent's arrival in a process: waited for, or given up so that nothing of it is left."""

from __future__ import annotations

import contextlib
import time

from covattach import client
from covattach.errors import CovattachError, NoSafePoint, NotNow
from covattach.folder import Folder
from covattach.injector.injection import Injection
from covattach.session import ENDING, payload_failed
from covattach.target.process import Process


def wait_for_agent(process: Process, place: Folder, injection: Injection, deadline: float) -> None:
    """Wait until the agent listens; raises NoSafePoint, PayloadFailed, NotNow."""
    while not listens(place):
        if place.fault:
            raise payload_failed(place.fault)
        if not process.is_alive():
            raise NotNow(
                f"Process {process.pid} ended while it was attached to.",
                "Look for its successor with `covattach ps`.",
                "\n".join(injection.transcript),
            )
        if time.monotonic() > deadline and injection.method == "pyrasite":
            raise NoSafePoint(
                f"pyrasite ended, but has injected nothing into process {process.pid}.",
                "Use the default method.",
                "\n".join(injection.transcript),
            )
        if time.monotonic() > deadline and injection.keeps_gil:
            raise NoSafePoint(
                f"Process {process.pid} keeps the GIL while it waits in C code, so that no Python"
                " can run in it.",
                "Try again while it runs some Python: send it requests. For uWSGI, add"
                " `--enable-threads`.",
                "\n".join(injection.transcript),
            )
        if time.monotonic() > deadline:
            raise NoSafePoint(
                f"Process {process.pid} reached no safe point in time; it runs on untouched.",
                "It is busy in C code or blocked: try again, or give it longer: `--timeout 60`.",
                "\n".join(injection.transcript),
            )
        time.sleep(0.005)


def listens(place: Folder) -> bool:
    """Whether the agent is there."""
    try:
        return client.answers(place) is not None
    except client.NoAnswer:
        return False


def give_up(place: Folder, injection: Injection | None) -> None:
    """Leave the target as it was: nothing armed, nothing measured, no file."""
    claimed = not place.withdraw()
    if injection is not None:
        injection.cancel()
    deadline = time.monotonic() + ENDING
    while claimed and not place.fault and place.path.exists() and time.monotonic() < deadline:
        # The line has run, so there is an agent, or there will be one in a moment.
        if listens(place):
            with contextlib.suppress(client.NoAnswer, CovattachError):  # it may have ended itself
                client.ask(place, "stop", deadline)
            break
        time.sleep(0.005)
    place.remove()
