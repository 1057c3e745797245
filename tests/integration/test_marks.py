"""Windows around requests to a real server: each has the lines of its request, and no others."""

from __future__ import annotations

from pathlib import Path

import coverage
import pytest
from support.command import Covattach
from support.interpreters import newest
from support.marks import marked
from support.targets import Launch
from support.waiting import wait_for
from test_gunicorn import GUNICORN, SHOP, get, number_of

SHORT = [
    ("3.9", "ctrace", False),
    ("3.11", "ctrace", True),
    ("3.12", "sysmon", False),
    ("3.13", "ctrace", True),
    ("3.14", "sysmon", False),
    ("3.14", "sysmon", True),
    ("3.15", "sysmon", True),
]
LONG = [
    ("3.9", "ctrace", True),
    ("3.11", "ctrace", False),
    ("3.12", "ctrace", True),
    ("3.13", "ctrace", False),
    ("3.13", "sysmon", False),
    ("3.14", "ctrace", False),
    ("3.14", "ctrace", True),
    ("3.15", "sysmon", False),
]
CORES = [*SHORT, *(pytest.param(*one, marks=pytest.mark.stress) for one in LONG)]


def lines_in(data_file: Path, window: str) -> set[int]:
    """Return the lines of the application that ran in a window, as stock coverage reads them."""
    data = coverage.CoverageData(str(data_file))
    data.read()
    data.set_query_contexts([f"^{window}$"])
    return set(data.lines(str(SHOP)) or ())


def request(worker: int, port: int, path: str) -> None:
    """Send a request until that worker has answered one."""
    wait_for(lambda: get(port, path)["pid"] == worker, f"worker {worker} answers {path}")


@pytest.mark.parametrize(("minor", "core", "branch"), CORES)
def test_two_requests(
    minor: str,
    core: str,
    branch: bool,
    covattach: Covattach,
    launch: Launch,
) -> None:
    """Each window has the lines of its own request; lines that both run are in both."""
    # GIVEN a worker that is measured
    server = launch(newest(minor), GUNICORN[0], *GUNICORN[1:], bare=True)
    worker, port = map(int, server.said[-1].split()[1:])
    server.line("ready")
    covattach("start", worker, "--core", core, *(["--branch"] if branch else []))
    request(worker, port, "/refund/tea")

    # WHEN it answers two requests, each in a window of its own
    covattach("mark", worker, "pricing")
    request(worker, port, "/price/tea")
    covattach("mark", worker, "ordering")
    request(worker, port, "/order/tea")
    covattach("mark", worker, "--end")
    covattach("dump", worker, "--no-html")
    covattach("stop", worker, "--no-dump")

    # THEN each window has the lines of its own request
    data_file = covattach.folder / ".coverage"
    priced, ordered = lines_in(data_file, "pricing"), lines_in(data_file, "ordering")
    start, end = number_of("def order(item)"), number_of("def price(item)")
    assert ordered == {line for line in marked(SHOP, "# on") if start < line < end}
    assert priced == {line for line in marked(SHOP, "# on") if line > end}
    assert number_of("ORDERS.pop") in lines_in(data_file, "")

    # AND lines of Flask that every request runs are in both
    flask = {name: lines for name, lines in shared(data_file).items() if "/flask/" in name}
    assert any(flask.values()), "no line of Flask is in both windows"


def shared(data_file: Path) -> dict[str, set[int]]:
    """Return the lines of each file that ran in both windows."""
    data = coverage.CoverageData(str(data_file))
    data.read()
    contexts = {name: data.contexts_by_lineno(name) for name in data.measured_files()}
    return {
        name: {line for line, held in lines.items() if {"pricing", "ordering"} <= set(held)}
        for name, lines in contexts.items()
    }
