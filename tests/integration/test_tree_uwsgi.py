"""uWSGI with a master, whose workers are forked by C code: measured from the master downwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.command import Covattach
from support.interpreters import Interpreter
from support.marks import marked
from support.targets import Launch, Target
from support.waiting import wait_for
from test_tree import lines_by_pid
from test_uwsgi import PROGRAM, get

OPTIONS = ("--enable-threads", "--master", "--processes", "2", "--disable-logging")
RENEWED = ("--max-requests", "10", "--min-worker-lifetime", "0")


@pytest.mark.pythons("3.9", "3.14", stress=("3.11", "3.13"))
def test_workers_that_are_renewed(
    interpreter: Interpreter, covattach: Covattach, launch: Launch
) -> None:
    """The lines of workers are in the report, also of those born later; then nothing is left."""
    # GIVEN a master with two workers
    server = launch(interpreter, "uwsgi.py", *OPTIONS, *RENEWED)
    port = int(server.said[-1].split()[1])
    get(port)
    before = wait_for(lambda: at_rest(server), "the master's loop")

    # WHEN it is measured as a tree, and the workers are renewed while it is reported
    facts = covattach("start", server.pid, "--tree", "--every", "1s", "--json").facts
    assert len(facts["processes"]) == 3
    assert facts["failed"] == []
    first = {one["pid"] for one in facts["processes"]}
    answered = [get(port) for _ in range(5)]
    while len({one["pid"] for one in answered} - first) < 4:
        covattach("dump", server.pid, "--no-html")
        answered += [get(port) for _ in range(12)]

    # THEN each has executed the lines of a request, and the workers that have come later knew
    covattach("stop", server.pid, "--no-html")
    found = lines_by_pid(covattach.folder / ".coverage", PROGRAM)
    for one in answered:
        assert found[one["pid"]] == marked(PROGRAM, "# on")
        assert one["told"] == ([] if one["pid"] in first else ["forked"])

    # AND nothing is left, not even the notice to new workers
    assert {**server.traces(), "children": ""} == {**before, "children": ""}
    folder = Path(facts["socket"]).parent
    assert not list(folder.parent.glob(f"{folder.name}*"))
    known = {one["pid"] for one in answered}
    wait_for(lambda: (one := get(port))["pid"] not in known and not one["told"], "renewal")
    assert "died" not in server.log.read_text()


def at_rest(server: Target) -> dict[str, Any]:
    """Return the traces of a master that is in its loop; workers may answer before it is."""
    traces = server.traces()
    waits = any("eventpoll" in where for where in traces["descriptors"].values())
    return traces if waits else {}


@pytest.mark.pythons("3.14")
def test_subinterpreters(interpreter: Interpreter, covattach: Covattach, launch: Launch) -> None:
    """A master that could not tell its workers is left alone; a worker can be measured."""
    server = launch(interpreter, "uwsgi.py", *OPTIONS, "--mount", f"/other={PROGRAM}")
    port = int(server.said[-1].split()[1])
    worker = get(port)["pid"]
    assert "subinterpreters" in covattach.fails(5, "start", server.pid, "--tree")
    covattach("start", worker)
    covattach("stop", worker, "--no-dump")
    get(port)
    assert not server.folders
