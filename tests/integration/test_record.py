"""`covattach record`: lines that ran during a command, and a target that is left as it was."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.command import Covattach
from support.interpreters import Interpreter
from support.targets import TARGETS, Launch, Target, descendants
from support.waiting import wait_for
from test_gunicorn import GUNICORN, SHOP, get

PAGES = TARGETS / "web" / "pages.py"
SLEEPING = ("sleep", "1000")


class Looking:
    """Looks at a page again and again, in a thread, until the end."""

    def __init__(self, port: int, path: str) -> None:
        self.port, self.path = port, path
        self.answers = 0
        self.failures: list[str] = []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.look)

    def __enter__(self) -> Looking:
        self.thread.start()
        self.have_come(3)
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()

    def look(self) -> None:
        """Request the page again and again; note failures."""
        while not self.over.wait(0.005):
            try:
                get(self.port, self.path)
                self.answers += 1
            except Exception as error:
                self.failures.append(repr(error))

    def have_come(self, times: int) -> None:
        """Wait for so many answers more."""
        wanted = self.answers + times
        wait_for(lambda: self.answers >= wanted or self.failures, "answers to come")
        assert self.failures == []


def functions(facts: Any, file: Path) -> list[str]:
    """Return the functions of a file that ran, in their order."""
    return [one["function"] for one in facts["functions"] if one["file"] == str(file)]


def lines(facts: Any, file: Path) -> set[int]:
    """Return the lines of a file that ran."""
    ran = (one["lines"] for one in facts["functions"] if one["file"] == str(file))
    return {line for part in ran for line in part}


def lines_with(mark: str) -> set[int]:
    """Return the lines of the Django project that bear a mark."""
    text = PAGES.read_text().splitlines()
    return {number for number, line in enumerate(text, 1) if mark in line}


@pytest.fixture
def serve(launch: Launch) -> Callable[[Interpreter], tuple[int, int]]:
    """Start gunicorn with the Django project; return the worker's PID, and the port."""

    def start(interpreter: Interpreter) -> tuple[int, int]:
        words = (*GUNICORN[1:], "--workers", 1, "--threads", 4, "pages:application")
        server = launch(interpreter, GUNICORN[0], *words, bare=True)
        worker, port = server.said[-1].split()[1:]
        return int(worker), int(port)

    return start


@pytest.fixture
def target(interpreter: Interpreter, launch: Launch) -> Target:
    """Return a target of which one function runs all the time."""
    return launch(interpreter, "ordered.py")


def recording(covattach: Covattach, target: Target) -> subprocess.Popen[str]:
    """Return a covattach that records, in a session of its own, while a command sleeps."""
    popen = covattach.begin("record", target.pid, "--", *SLEEPING, start_new_session=True)
    wait_for(partial(sleeps, popen.pid), "its command to run")
    return popen


def sleeps(pid: int) -> list[int]:
    """Return the PIDs of the `sleep` commands that a covattach has started."""
    found = []
    for child in descendants(pid):
        with contextlib.suppress(OSError):
            if Path(f"/proc/{child}/cmdline").read_bytes() == b"sleep\x001000\0":
                found.append(child)
    return found


def kill(covattach: Covattach, popen: subprocess.Popen[str]) -> None:
    """Kill a covattach that records, and the commands it has started."""
    commands = sleeps(popen.pid)
    popen.kill()
    for command in commands:
        os.kill(command, signal.SIGKILL)
    covattach.end(popen)


def asking(port: int, path: str) -> tuple[str, ...]:
    """Return a command that sends a request."""
    return ("--", "curl", "--silent", "--fail", f"http://127.0.0.1:{port}{path}")


@pytest.mark.pythons("3.14", stress=("3.9", "3.11"))
def test_a_view_of_django(
    interpreter: Interpreter,
    covattach: Covattach,
    serve: Callable[[Interpreter], tuple[int, int]],
) -> None:
    """A request's view is named, in order, and not another's; others' views are, if asked for."""
    # GIVEN a server under load for one of its pages
    worker, port = serve(interpreter)
    with Looking(port, "/health") as load:
        # WHEN a request for another is recorded
        facts = covattach("record", worker, "--json", *asking(port, "/prices")).facts

        # THEN its functions are there, in their order, and the third page's are not
        found = functions(facts, PAGES)
        shown = [name for name in found if name in ("prices", "add_up", "stock", "count_left")]
        assert shown == ["prices", "add_up"]
        assert lines(facts, PAGES) >= lines_with("# prices")
        assert not lines(facts, PAGES) & (lines_with("# stock") - lines_with("# prices"))
        assert facts["status"] == 0
        assert facts["new"] is None
        assert set(found) <= {"prices", "add_up", "answer", "health", "is_well"}

        # AND it is not measured any more
        assert covattach.fails(8, "dump", worker)

        # WHEN there is a session that knows the load, THEN only the request's own lines are new
        covattach("start", worker)
        load.have_come(5)
        facts = covattach("record", worker, "--new", "--json", *asking(port, "/stock")).facts
        assert functions(facts, PAGES) == ["stock", "count_left"]
        assert facts["new"] == facts["lines"] >= 3

        # AND windows can be compared
        covattach("record", worker, "--window", "prices", *asking(port, "/prices"))
        compared = covattach("record", worker, "--json", "--diff", "record-1", "prices").facts
        only = {one["function"]: one for one in compared["functions"] if one["file"] == str(PAGES)}
        assert {"prices", "add_up", "stock", "count_left"} <= set(only)
        assert only["stock"]["only_first"]
        assert only["stock"]["only_second"] == []
        assert only["prices"]["only_second"]

        # AND the session goes on, in the window before
        (facts,) = covattach("status", worker, "--json").facts
        assert (facts["window"], facts["windows"]) == ("", ["record-1", "prices"])
        covattach("stop", worker, "--no-dump")
    assert load.failures == []


@pytest.mark.pythons("3.11", "3.14")
def test_the_target_is_left_as_it_was(target: Target, covattach: Covattach) -> None:
    """The target is as before, and the exit code tells, however the command ends."""
    # GIVEN a target that was recorded once
    covattach("record", target.pid, "--", "true")
    before = target.residue()

    # WHEN it is recorded with commands that end well or not
    done = covattach.run("record", target.pid, "--", "sh", "-c", "echo out; echo err >&2; exit 3")
    assert done.code == 9
    assert done.out == "out\n"
    assert "err\n" in done.err
    assert "sh ended with status 3 after" in done.err
    assert "It is attached to just for this" in done.err
    assert "Only lines that ran are shown" in done.err
    assert "tick" in done.err
    done = covattach.run("record", target.pid, "--json", "--", "sh", "-c", "echo out; kill $$")
    assert (done.code, done.facts["status"]) == (9, -15)
    assert "out\n" in done.err
    assert covattach("record", target.pid, "--for", "0.2s", "--json").facts["seconds"] >= 0.2
    assert "There is no command" in covattach.fails(2, "record", target.pid, "--", "/no/such")

    # THEN it is as it was
    target.assert_untouched(before)

    # AND in a session of its own, a name is taken once
    covattach("start", target.pid)
    covattach("record", target.pid, "--window", "mine", "--", "true")
    assert "already" in covattach.fails(2, "record", target.pid, "--window", "mine", "--", "true")
    assert "mine" in covattach.fails(2, "record", target.pid, "--diff", "mine", "other")
    said = covattach("record", target.pid, "--diff", "mine", "mine").err
    assert "Comparing the windows 'mine' and 'mine'; nothing is recorded." in said
    assert "The same lines ran in both." in said

    # AND `status` tells the measuring in words
    said = covattach("status", target.pid).err
    assert f"Process {target.pid}: " in said
    assert "measuring lines, begun " in said
    assert "window" not in said
    covattach("stop", target.pid, "--no-dump")


@pytest.mark.pythons("3.9", "3.14")
def test_a_target_that_ends(target: Target, covattach: Covattach) -> None:
    """The recording of a process that ends meanwhile shows its last save."""
    status = f"/proc/{target.pid}/status"
    script = f"sleep 0.1; kill {target.pid}; until grep -q zombie {status}; do :; done"
    done = covattach("record", target.pid, "--", "sh", "-c", script)
    assert target.wait() == -signal.SIGTERM
    assert "The process ended meanwhile" in done.err
    assert "tick" in done.err


@pytest.mark.pythons("3.13")
def test_interruptions(target: Target, covattach: Covattach) -> None:
    """Ctrl-C ends a recording well, or the command if there is one; SIGTERM undoes all."""
    before = target.residue()
    for has_command, number, code in (
        (False, signal.SIGINT, 0),
        (True, signal.SIGINT, 9),
        (True, signal.SIGTERM, 130),
    ):
        # GIVEN a recording that has begun
        if has_command:
            popen = recording(covattach, target)
        else:
            popen = covattach.begin("record", target.pid, start_new_session=True)
            assert popen.stderr is not None
            assert any(line.startswith("Until") for line in iter(popen.stderr.readline, ""))

        # WHEN it is interrupted as by a terminal, or told to end
        (os.killpg if number == signal.SIGINT else os.kill)(popen.pid, number)

        # THEN it ends in its way, and the target is as it was
        assert covattach.end(popen).code == code
        target.assert_untouched(before)


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Return both ends of a terminal: ours, and that of the program."""
    ours, theirs = pty.openpty()
    yield ours, theirs
    os.close(ours)
    os.close(theirs)


@pytest.mark.pythons("3.14")
def test_enter_ends_it(target: Target, covattach: Covattach, terminal: tuple[int, int]) -> None:
    """Enter ends a recording on a terminal; output longer than the screen goes to a pager."""
    ours, theirs = terminal
    size = {"LINES": "5", "COLUMNS": "80"}
    popen = subprocess.Popen(
        [*covattach.program, "record", str(target.pid), "--full"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env={**os.environ, **size, "PAGER": f"{sys.executable} -c 'print(\"PAGED\")'"},
    )
    shown = b""

    def read() -> bytes:
        nonlocal shown
        while select.select([ours], [], [], 0)[0]:
            shown += os.read(ours, 65536)
        return shown

    wait_for(lambda: b"Until Enter or Ctrl-C" in read(), "the invitation")
    target.ask("run('first second third')")
    os.write(ours, b"\n")
    wait_for(lambda: b"PAGED" in read(), "the pager")
    assert popen.wait(30) == 0


@pytest.mark.pythons("3.9", "3.14")
def test_sigkill(target: Target, covattach: Covattach) -> None:
    """After a SIGKILL of a recording nothing is left in the target; a session that was there is."""
    # GIVEN a recording in a target that nobody measured
    covattach("record", target.pid, "--", "true")
    before = target.residue()
    popen = recording(covattach, target)
    assert "is being recorded" in covattach.fails(5, "start", target.pid)
    assert "another covattach is recording" in covattach.fails(5, "record", target.pid)

    # WHEN it is killed, THEN the target ends the session by itself
    kill(covattach, popen)
    wait_for(lambda: target.traces()["threads"] == before["threads"], "the agent to be gone")
    target.assert_untouched(before)

    # WHEN there was a session, THEN that goes on, in the window before
    covattach("start", target.pid)
    covattach("mark", target.pid, "before")
    kill(covattach, recording(covattach, target))

    def window() -> str:
        (facts,) = covattach("status", target.pid, "--json").facts
        return str(facts["window"])

    wait_for(lambda: window() == "before", "its window to go on")
    covattach("stop", target.pid, "--no-dump")


@pytest.mark.pythons("3.11")
def test_several_by_name(interpreter: Interpreter, covattach: Covattach, launch: Launch) -> None:
    """`--name` means all processes whose command line matches; facts are lists, reports are one."""
    # GIVEN two processes that are called alike, and one that is not
    name = f"ours-{os.getpid()}"
    first, second = (launch(interpreter, "ordered.py", name) for _ in range(2))
    launch(interpreter, "ordered.py")
    pids = sorted([first.pid, second.pid])

    # WHEN they are recorded together
    script = "import sys; sys.exit(0)"
    done = covattach("record", "--name", name, "--json", "--", sys.executable, "-c", script)

    # THEN both are, and nothing else
    assert done.facts["pids"] == pids
    assert {one["function"] for one in done.facts["functions"]} >= {"tick"}

    # WHEN they are measured, marked and dumped together
    assert [one["pid"] for one in covattach("start", "--name", name, "--json").facts] == pids
    assert len(covattach("mark", "--name", name, "busy", "--json").facts) == 2
    first.ask("run('first')")
    second.ask("run('second')")
    assert [one["pid"] for one in covattach("status", "--name", name, "--json").facts] == pids
    facts = covattach("dump", f"--name={name}", "--json", "--no-html").facts

    # THEN it is one data file of both processes
    assert (facts["pid"], facts["pids"]) == (None, pids)
    covattach("stop", first.pid, "--no-dump")
    assert [
        one["pid"] for one in covattach("stop", "--name", name, "--no-dump", "--json").facts
    ] == [second.pid]
    assert "No process that has" in covattach.fails(8, "dump", "--name", name)
    assert "No Python process" in covattach.fails(3, "start", "--name", "no such thing")


@pytest.mark.pythons("3.11")
def test_a_whole_server(interpreter: Interpreter, covattach: Covattach, launch: Launch) -> None:
    """`record --tree` records the master and its workers, whichever of them answers."""
    # GIVEN a master with two workers, one of which is measured already
    server = launch(interpreter, GUNICORN[0], *GUNICORN[1:], bare=True)
    first, port = server.said[-1].split()[1:]
    second = server.line("ready").split()[0]
    covattach("start", second)

    # WHEN a request is recorded
    done = covattach("record", server.pid, "--tree", "--json", *asking(int(port), "/price/tea"))

    # THEN all of them were recorded in, and the request's functions are there
    assert sorted(done.facts["pids"]) == sorted([server.pid, int(first), int(second)])
    assert functions(done.facts, SHOP) == ["price", "discounted"]

    # AND only the process that was measured before is measured now
    assert covattach.fails(8, "dump", first)
    covattach("stop", second, "--no-dump")
