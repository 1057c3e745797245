"""Celery: a pool of processes that take tasks from a real Redis, measured from their parent on."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.command import Covattach
from support.interpreters import Interpreter
from support.marks import marked
from support.targets import TARGETS, Launch
from support.waiting import PATIENCE, wait_for
from test_tree import lines_by_pid

PROGRAM = TARGETS / "tasks.py"
POOL = ("--pool=prefork", "--concurrency=2", "--max-tasks-per-child=5")
QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat")


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Path]:
    """Run a Redis of our own; return its socket."""
    place = tmp_path / "redis"
    words = ["redis-server", "--port", "0", "--unixsocket", str(place), "--save", ""]
    with subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.DEVNULL) as server:
        wait_for(place.exists, "the socket of Redis")
        yield place
        server.terminate()


@pytest.mark.pythons("3.14", stress=("3.9", "3.11", "3.13"))
def test_pool(interpreter: Interpreter, redis: Path, covattach: Covattach, launch: Launch) -> None:
    """The lines of tasks are in the report, also from children that are born later."""
    # GIVEN a worker with two children, which have done something
    environment = {"REDIS": str(redis), "PYTHONPATH": f"{interpreter.site}:{TARGETS}"}
    words = ("celery", "-A", "tasks", "worker", *POOL, *QUIET)
    worker = launch(interpreter, "-m", *words, bare=True, env=environment)
    first = set(done(interpreter, environment, 4))
    before = worker.traces()

    # WHEN it is measured as a tree, and has more to do than the children may
    facts = covattach("start", worker.pid, "--tree", "--json").facts
    assert {one["pid"] for one in facts["processes"]} >= {worker.pid, *first}
    pids = done(interpreter, environment, 30)
    covattach("dump", worker.pid, "--no-html")

    # THEN the data have the lines of each process, by its PID
    found = lines_by_pid(covattach.folder / ".coverage", PROGRAM)
    assert len(set(pids) - first) >= 4
    for pid in pids:
        assert found[pid] == marked(PROGRAM, "# on")

    # AND after `stop` nothing is left, and tasks are done
    covattach("stop", worker.pid, "--no-html")
    after = worker.traces()
    for name in ("threads", "signals", "folders"):
        assert after[name] == before[name], name
    folder = Path(facts["socket"]).parent
    assert not list(folder.parent.glob(f"{folder.name}*"))
    assert len(done(interpreter, environment, 12)) == 12


def done(interpreter: Interpreter, environment: dict[str, str], count: int) -> list[int]:
    """Have so many tasks done; return the PIDs of who has done them."""
    words = [interpreter.python, PROGRAM, str(count)]
    sent = subprocess.run(
        words, env=environment, capture_output=True, text=True, check=True, timeout=2 * PATIENCE
    )
    pids: list[int] = json.loads(sent.stdout)
    return pids
