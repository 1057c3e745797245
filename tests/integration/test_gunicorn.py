"""A real server under load: gunicorn's gthread workers with a Flask application."""

from __future__ import annotations

import http.client
import json
import os
import re
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import coverage
import pytest
from support.command import Covattach
from support.interpreters import Interpreter
from support.marks import marked
from support.targets import TARGETS, Launch, differences
from support.waiting import wait_for

WEB = TARGETS / "web"
SHOP = WEB / "shop.py"
PATHS = ("/order/tea", "/order/milk?count=2", "/price/tea")
GUNICORN = ("-m", "gunicorn.app.wsgiapp", "--config", WEB / "gunicorn.conf.py")


class Load:
    """Requests from two threads, one after the other, until the end; each must be answered."""

    def __init__(self, port: int, pause: float = 0.002) -> None:
        self.port = port
        self.pause = pause  # seconds, so that covattach gets a share of the processors
        self.answered: Counter[tuple[int, str]] = Counter()
        self.failures: list[str] = []
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.send) for _ in range(2)]

    def __enter__(self) -> Load:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join()

    def send(self) -> None:
        """Send requests; note which worker has answered which."""
        while not self.over.is_set():
            for path in PATHS:
                self.over.wait(self.pause)
                try:
                    pid = get(self.port, path)["pid"]
                except (OSError, ValueError, http.client.HTTPException) as error:
                    self.failures.append(f"{path}: {error!r}")
                else:
                    with self.lock:
                        self.answered[pid, path] += 1

    def have_come(self, pid: int, times: int = 10) -> None:
        """Wait until the worker has answered each request so many times more."""
        wanted = {path: self.answered[pid, path] + times for path in PATHS}
        wait_for(
            lambda: all(self.answered[pid, path] >= count for path, count in wanted.items()),
            f"requests that worker {pid} answers",
        )


def get(port: int, path: str) -> Any:
    """Return the answer to a request; raises ValueError where it is not one."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise ValueError(f"{answer.status} {body!r}")
        return json.loads(body)
    finally:
        connection.close()


@pytest.fixture
def serve(launch: Launch) -> Callable[..., tuple[int, int, int]]:
    """Start gunicorn; return the PIDs of its two workers, and the port."""

    def start(interpreter: Interpreter) -> tuple[int, int, int]:
        server = launch(interpreter, GUNICORN[0], *GUNICORN[1:], bare=True)
        first, port = server.said[-1].split()[1:]
        second = server.line("ready").split()[0]
        return int(first), int(second), int(port)

    return start


def traces(pid: int) -> dict[str, Any]:
    """Return how a worker without requests looks from outside, but for the threads of its pool.

    While it answers one, gunicorn opens a selector of its own for a moment.
    """
    status = Path(f"/proc/{pid}/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines())
    names = ("SigBlk", "SigIgn", "SigCgt", "TracerPid")
    kinds: Counter[str] = Counter()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            kinds[re.sub(r"\d+", "N", os.readlink(link)).replace("socket:[N]", "")] += 1
        except OSError:
            continue
    kinds.pop("", None)  # connections come and go
    return {"descriptors": dict(kinds), **{name: fields[name].strip() for name in names}}


def number_of(text: str) -> int:
    """Return the number of the only line of the application that has this text."""
    lines = SHOP.read_text().splitlines()
    (found,) = [number for number, line in enumerate(lines, 1) if text in line]
    return found


def branches(data_file: Path) -> set[tuple[int, int]]:
    """Return the branches of the application that a data file says were taken."""
    data = coverage.CoverageData(str(data_file))
    data.read()
    return set(data.arcs(str(SHOP)) or ())


def shown(html: Path) -> dict[str, set[int]]:
    """Return the lines that an HTML report marks as run, mis or par."""
    (page,) = html.glob("*shop_py.html")
    found: dict[str, set[int]] = {"run": set(), "mis": set(), "par": set()}
    for kind, number in re.findall(
        r'<p class="(run|mis|par)[^"]*"><span class="n"><a id="t(\d+)"', page.read_text()
    ):
        found[kind].add(int(number))
    return found


@pytest.mark.pythons("3.14", stress=("3.9", "3.11", "3.13", "3.15"))
def test_handlers_under_load(
    interpreter: Interpreter,
    covattach: Covattach,
    serve: Callable[..., tuple[int, int, int]],
) -> None:
    """The report shows the handlers' lines and branches, and no request fails."""
    # GIVEN a server under load
    worker, other, port = serve(interpreter)
    with Load(port) as load:
        load.have_come(worker, 1)
    before = traces(worker)
    with Load(port) as load:
        load.have_come(worker, 1)

        # WHEN one worker is measured with branches
        covattach("start", worker, "--branch")
        load.have_come(worker)
        facts = covattach("dump", worker, "--json").facts
        taken = branches(covattach.folder / ".coverage")
        html = shown(covattach.folder / "htmlcov")
        covattach("dump", worker)
        load.have_come(worker, 2)
        covattach("stop", worker, "--no-html")
        load.have_come(worker, 2)
        load.have_come(other, 2)

    # THEN no request has failed
    assert load.failures == []

    # AND the report shows exactly the lines that the handlers have executed
    assert html["run"] | html["par"] == marked(SHOP, "# on")
    assert number_of("count = 0") in html["mis"]
    assert number_of("answer = 4") in html["mis"]
    assert number_of("ORDERS.pop") in html["mis"]
    assert html["par"] >= {number_of("if count >"), number_of('if item == "tea"')}

    # AND which branches they have taken, and which not
    question = number_of('if item == "tea"')
    assert (question, number_of("answer = 3")) in taken
    assert (question, number_of("answer = 4")) not in taken
    overflow = number_of("if count >")
    assert (overflow, number_of("for name in")) in taken
    assert (overflow, number_of("count = 0")) not in taken
    assert not any(number_of("ORDERS.pop") in map(abs, arc) for arc in taken)
    assert facts["pid"] == worker

    # AND the worker answers on, as it was before
    assert get(port, "/price/tea")["price"] == 3
    assert differences(before, traces(worker)) == {}
    assert covattach.fails(8, "dump", other)


@pytest.mark.pythons("3.11", stress=("3.14",))
def test_server_without_coverage(
    interpreter: Interpreter,
    covattach: Covattach,
    launch: Launch,
    tmp_path: Path,
) -> None:
    """A server whose environment has no coverage is measured, and has none afterwards."""
    # GIVEN a server that can import everything but coverage
    site = tmp_path / "site"
    site.mkdir()
    for entry in Path(interpreter.site).iterdir():
        if not entry.name.startswith(("coverage", "a1_coverage")):
            (site / entry.name).symlink_to(entry)
    environment = {"PYTHONPATH": str(site)}
    server = launch(interpreter, GUNICORN[0], *GUNICORN[1:], bare=True, env=environment)
    worker, port = map(int, server.said[-1].split()[1:])
    server.line("ready")
    with Load(port) as load:
        # WHEN it is measured
        covattach("start", worker)
        load.have_come(worker)
        covattach("dump", worker)
        during = shown(covattach.folder / "htmlcov")
        covattach("stop", worker, "--no-dump")
        load.have_come(worker, 2)

        # THEN its lines are there, and coverage is not
        def found_by(pid: int) -> bool | None:
            answer = get(port, "/spec/coverage")
            return bool(answer["found"]) if answer["pid"] == pid else None

        assert wait_for(lambda: found_by(worker) is False, "find_spec in the worker")
    assert load.failures == []
    assert during["run"] == marked(SHOP, "# on")
