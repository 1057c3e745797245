"""A server whose workers come and go: gunicorn, measured from its master downwards."""

from __future__ import annotations

import ast
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import coverage
import pytest
from support.command import Covattach
from support.interpreters import Interpreter, newest
from support.marks import marked
from support.targets import Launch, descendants
from support.waiting import wait_for
from test_gunicorn import SHOP, WEB, Load, get

UVICORN = "uvicorn_worker.UvicornWorker"
ROLES = {
    "sync": "gunicorn sync worker",
    "gthread": "gunicorn gthread worker",
    "gevent": "gunicorn gevent worker",
    UVICORN: "gunicorn uvicorn worker",
}


class Server:
    """A master with four workers, of which each is replaced after some requests."""

    def __init__(self, launch: Launch, interpreter: Interpreter, worker: str, renewed: int) -> None:
        words = ("gunicorn.app.wsgiapp", "--config", WEB / "tree.conf.py")
        environment = {"WORKER": worker, "RENEWED": str(renewed)}
        self.master = launch(interpreter, "-m", *words, bare=True, env=environment)
        self.port = int(self.master.said[-1].split()[2])
        self.wait(3)

    def wait(self, count: int) -> None:
        """Wait for so many workers more to become ready."""
        for _ in range(count):
            self.master.line("ready")

    def renew(self, count: int) -> None:
        """Wait for so many workers that become ready from now on."""
        self.master.catch_up()
        self.wait(count)

    def hang_up(self) -> None:
        """Have the master replace all its workers, and wait for the new ones."""
        self.master.popen.send_signal(signal.SIGHUP)
        self.renew(4)

    def kill(self) -> None:
        """Kill the worker that was born last, and wait for others."""
        workers = wait_for(lambda: descendants(self.master.pid), "a worker")  # all may be renewed
        os.kill(workers[-1], signal.SIGKILL)
        self.renew(2)


def contexts(data_file: Path) -> dict[str, set[int]]:
    """Return the executed lines of the shop in a data file, by context."""
    data = coverage.CoverageData(str(data_file))
    data.read()
    found = {}
    for context in data.measured_contexts():
        data.set_query_context(context)
        found[context] = set(data.lines(str(SHOP)) or ())
    return found


def of_functions(lines: set[int]) -> set[int]:
    """Return those of the shop's lines that are in functions; the others ran at import."""
    functions = [
        one for one in ast.parse(SHOP.read_text()).body if isinstance(one, ast.FunctionDef)
    ]
    bodies = [range(one.body[0].lineno, (one.end_lineno or 0) + 1) for one in functions]
    return {number for number in lines for body in bodies if number in body}


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("minor", "worker"),
    [
        ("3.11", "gevent"),
        ("3.14", UVICORN),
        pytest.param("3.9", "sync", marks=pytest.mark.stress),
    ],
)
def test_workers_that_come_and_go(
    minor: str, worker: str, covattach: Covattach, launch: Launch
) -> None:
    """All that requests run is in one report, no request fails, and the server goes on."""
    server = Server(launch, newest(minor), worker, renewed=50)
    with Load(server.port, pause=0.02) as load:  # else the machine does little but begin workers
        check(server, worker, load, covattach, lambda: server.renew(2))


@pytest.mark.stress
@pytest.mark.timeout(300)
@pytest.mark.pythons("3.9", "3.11", "3.13", "3.14")
@pytest.mark.parametrize("worker", ROLES)
def test_workers_for_a_minute(
    interpreter: Interpreter, worker: str, covattach: Covattach, launch: Launch
) -> None:
    """The same holds for a minute of load; beside it a server that is left alone."""
    # GIVEN how many requests fail without us
    alone = Server(launch, interpreter, worker, renewed=50)
    with Load(alone.port) as load:
        alone.renew(4)
        alone.hang_up()
        alone.kill()
        alone.renew(4)
    alone.master.end()
    alone.master.wait()
    without = load

    server = Server(launch, interpreter, worker, renewed=50)

    def wait() -> None:
        until = time.monotonic() + 25
        while time.monotonic() < until:
            server.renew(1)

    with Load(server.port) as load:
        wait()
        check(server, worker, load, covattach, wait)
    for which, one in (("with", load), ("without", without)):
        answered = sum(one.answered.values())
        print(f"{which} covattach: {answered} requests answered, {len(one.failures)} not")


def losses_of_its_own(worker: str) -> bool:
    """Whether requests are lost without us too when such a worker is renewed.

    Of 1,000 and some 16 to 19 with gthread, and one now and then with uvicorn's.
    """
    return worker in ("gthread", UVICORN)


def check(
    server: Server, worker: str, load: Load, covattach: Covattach, wait: Callable[[], None]
) -> None:
    """Measure a server under load, while its workers end in every way; `wait` for some renewals."""
    # WHEN the master is attached to in the middle of the load
    server.renew(1)
    covattach("start", server.master.pid, "--tree", "--every", "1s")
    wait()
    server.hang_up()
    assert load.failures == [] or losses_of_its_own(worker)
    covattach("dump", server.master.pid, "--no-html")
    first = contexts(covattach.folder / ".coverage")

    # AND a worker is killed, and it is reported again
    server.kill()
    wait()
    covattach("dump", server.master.pid, "--no-html")
    second = contexts(covattach.folder / ".coverage")

    # THEN the data have the lines of the requests, with each worker's role
    for found in (first, second):
        assert of_functions({line for lines in found.values() for line in lines}) == marked(
            SHOP, "# on"
        )
        assert any(context.startswith(ROLES[worker]) for context in found)
    assert len(second) > 2

    # AND only the requests that the killed worker had have failed
    assert len(load.failures) <= len(load.threads) or losses_of_its_own(worker)

    # AND after `stop` the server goes on, and nothing is left
    covattach("stop", server.master.pid, "--no-html")
    failed = len(load.failures)
    answered = sum(load.answered.values())
    wait_for(lambda: sum(load.answered.values()) > answered + 20, "requests after `stop`")
    assert len(load.failures) == failed or losses_of_its_own(worker)
    assert not server.master.folders
    assert get(server.port, "/spec/json")["found"]
