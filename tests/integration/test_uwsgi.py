"""uWSGI: a server in C that embeds Python, measured while it waits for a request."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import coverage
import pytest
from support.command import Covattach
from support.interpreters import Interpreter
from support.marks import marked
from support.targets import TARGETS, Launch, Target
from support.waiting import PATIENCE, wait_for

PROGRAM = TARGETS / "uwsgi.py"
KINDS = {
    "one": ("--enable-threads",),
    "threads": ("--threads", "3"),
    "subinterpreter": ("--enable-threads", "--mount", f"/other={PROGRAM}"),
}


@pytest.mark.pythons("3.9", "3.13", "3.14")
@pytest.mark.parametrize("kind", KINDS)
def test_idle_server(
    interpreter: Interpreter, kind: str, covattach: Covattach, launch: Launch
) -> None:
    """The lines of a request are measured, whichever thread the server waits in."""
    # GIVEN a server that has answered, and waits
    server = launch(interpreter, "uwsgi.py", *KINDS[kind])
    port = int(server.said[-1].split()[1])
    assert get(port)["pid"] == server.pid
    before = wait_for(lambda: threads(server, 3 if kind == "threads" else 1), "its threads")

    # WHEN it is attached to, and answers again
    covattach("start", server.pid)
    get(port)

    # THEN just the lines of the request are measured
    covattach("dump", server.pid, "--no-html")
    data = coverage.CoverageData(str(covattach.folder / ".coverage"))
    data.read()
    assert set(data.lines(str(PROGRAM)) or ()) == marked(PROGRAM, "# on")

    # AND afterwards nothing is left, and it answers
    covattach("stop", server.pid, "--no-dump")
    wait_for(lambda: server.traces()["threads"] == before, "the agent's thread to end")
    assert not server.folders
    get(port)


def threads(server: Target, count: int) -> list[int]:
    """Return the ids of its threads, once there are so many; it starts them as it goes."""
    found: list[int] = server.traces()["threads"]
    return found if len(found) == count else []


def get(port: int) -> Any:
    """Return the answer to a request."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=PATIENCE) as answer:
        return json.load(answer)
