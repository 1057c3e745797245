"""A server of gevent's that answers requests while it is attached to."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Any

import coverage
import pytest
from support.command import Covattach
from support.interpreters import newest
from support.targets import TARGETS, Launch
from support.waiting import wait_for

SERVER = TARGETS / "green_server.py"
WAITING = 5
# By the C tracer, but for lines on 3.13 and all on 3.14.
CORES: list[Any] = [("3.9", True), ("3.11", False), ("3.13", False), ("3.14", True)]
LONG = (("3.11", True), ("3.13", True), ("3.14", False))
CORES += [pytest.param(*one, marks=pytest.mark.stress) for one in LONG]


def server_lines(*marks: str) -> set[int]:
    """Return the numbers of the lines whose comment has one of these words."""
    lines = SERVER.read_text().splitlines()
    words = {n: line.partition("  # ")[2].split() for n, line in enumerate(lines, 1)}
    return {number for number, found in words.items() if set(found) & set(marks)}


def executed_in(data_file: Path, *contexts: str) -> set[int]:
    """Return the server's lines in a data file, in these windows only.

    An arc begins where a request was waiting: that line did not run again.
    """
    data = coverage.CoverageData(str(data_file))
    data.read()
    if contexts:
        data.set_query_contexts([f"^{name}$" for name in contexts])
    if data.has_arcs():
        return {end for _, end in data.arcs(str(SERVER)) or () if end > 0}
    return set(data.lines(str(SERVER)) or ())


def send(connection: http.client.HTTPConnection, path: str) -> None:
    """Send a request, without waiting for the answer."""
    connection.request("GET", path)


def receive(connection: http.client.HTTPConnection) -> Any:
    """Return the answer to the request that was sent; it must be a good one."""
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 200, body
    return json.loads(body)


@pytest.mark.parametrize(("minor", "branch"), CORES)
def test_requests_in_flight(
    minor: str,
    branch: bool,
    covattach: Covattach,
    launch: Launch,
) -> None:
    """Requests that wait at the attach are measured when they go on; so are connections' next."""
    # GIVEN a server in which requests wait, each in a greenlet of its own
    target = launch(newest(minor), SERVER.name)
    port = int(target.said[-1].split()[1])
    connections = [http.client.HTTPConnection("127.0.0.1", port, timeout=30) for _ in range(7)]
    *others, first, second = connections
    for connection in others:
        send(connection, "/wait")
    wait_for(lambda: target.ask("len(waiting)") == WAITING, "the requests wait")
    send(first, "/tea")
    assert receive(first) == "GET"

    # WHEN it is measured, and they go on
    covattach("start", target.pid, "--branch" if branch else "--no-branch")
    send(second, "/open")
    receive(second)
    for connection in others:
        assert receive(connection) <= WAITING
    covattach("dump", target.pid, "--no-html")
    resumed = executed_in(covattach.folder / ".coverage")

    # THEN each line that they still executed is there
    opening = {"opened.set()", "return len(waiting)", "answer = opens()"}
    lines = SERVER.read_text().splitlines()
    opening_lines = {n for n, line in enumerate(lines, 1) if line.strip() in opening}
    asked = {n for n in server_lines("both") if "tea" not in lines[n - 1]}
    assert resumed == server_lines("resumed") | opening_lines | asked

    # WHEN two of their connections are used again, each in a window of its own
    covattach("mark", target.pid, "tea")
    send(others[0], "/tea")
    assert receive(others[0]) == "GET"
    covattach("mark", target.pid, "milk")
    send(others[1], "/milk")
    assert receive(others[1]) == 2
    covattach("stop", target.pid, "--no-html")

    # THEN each has its own lines, and both have those that they share
    data_file = covattach.folder / ".coverage"
    assert executed_in(data_file, "tea") == server_lines("both", "tea")
    assert executed_in(data_file, "milk") == server_lines("both", "milk")

    # AND the server answers on
    send(first, "/milk")
    assert receive(first) == 2
    for connection in connections:
        connection.close()
