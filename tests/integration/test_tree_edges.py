"""Trees in which not all is as it should be: members that are stopped, other users, Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

import pytest
from support.command import Covattach
from support.interpreters import Interpreter
from support.targets import TARGETS, Launch, Target, descendants
from support.waiting import PATIENCE, wait_for
from test_tree import lines_by_pid

PROGRAM = TARGETS / "siblings.py"
NOBODY = 65534
ACT = {number for number, line in enumerate(PROGRAM.open(), 1) if line.endswith("# act\n")}


def status(pid: int, name: str) -> str:
    """Return a field of a process's status."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (found,) = [line for line in lines if line.startswith(f"{name}:")]
    return found.partition(":")[2].strip()


def stop(pid: int) -> None:
    """Stop a process, and wait until it is."""
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: status(pid, "State").startswith("T"), "the process to be stopped")


def go_on(pid: int) -> None:
    """Let it go on."""
    os.kill(pid, signal.SIGCONT)


def folders_of(facts: dict[str, str]) -> list[Path]:
    """Return the folders that there are of a tree, from the facts of its start."""
    folder = Path(facts["socket"]).parent
    return list(folder.parent.glob(f"{folder.name}*"))


@pytest.mark.pythons("3.11", "3.14")
def test_start_with_a_stopped_member(
    interpreter: Interpreter, covattach: Covattach, launch: Launch
) -> None:
    """One that is stopped is told of, and left alone; the others are measured."""
    target = launch(interpreter, "siblings.py", 2)
    stopped, other = descendants(target.pid)
    stop(stopped)
    done = covattach("start", target.pid, "--tree", "--json")
    assert f"process {stopped} is not measured. Process {stopped} is suspended" in done.err
    assert {one["pid"] for one in done.facts["processes"]} == {target.pid, other}
    assert status(stopped, "State").startswith("T")
    assert status(stopped, "TracerPid") == "0"
    covattach("stop", target.pid, "--no-dump")
    go_on(stopped)
    assert target.ask(f"tell({stopped})") is True
    assert not folders_of(done.facts)


@pytest.mark.pythons("3.11", "3.14")
def test_dump_and_stop_with_a_stopped_member(
    interpreter: Interpreter, covattach: Covattach, launch: Launch
) -> None:
    """A suspended member's last save is reported, and it stops measuring when it goes on."""
    # GIVEN a tree of which one has saved something, and is stopped
    target = launch(interpreter, "siblings.py", 2)
    stopped, other = descendants(target.pid)
    facts = covattach("start", target.pid, "--tree", "--every", "1s", "--json").facts
    for pid in (stopped, other):
        target.ask(f"tell({pid})")
    covattach("dump", target.pid, "--no-html")
    own = [place for place in folders_of(facts) if f'"pid": {stopped},' in facts_in(place)]
    (place,) = own
    wait_for(lambda: is_newer(place / "snapshot", covattach.folder / ".coverage"), "an autosave")
    stop(stopped)

    # WHEN the tree is dumped, marked and stopped
    for words in (("dump", "--no-html"), ("mark", "later"), ("stop", "--no-html")):
        done = covattach(words[0], target.pid, *words[1:])
        assert words[0] == "mark" or f"Process {stopped} is stopped" in done.err
        if words[0] == "dump":
            found = lines_by_pid(covattach.folder / ".coverage", PROGRAM)
            assert found[stopped] >= ACT
            assert found[other] >= ACT

    # THEN nothing is left but in the suspended one, and there neither once it goes on
    assert not folders_of(facts)
    assert status(stopped, "State").startswith("T")
    go_on(stopped)
    wait_for(lambda: status(stopped, "Threads") == "1", "the agent to leave")
    assert target.ask(f"tell({stopped})") is True
    assert not folders_of(facts)


def facts_in(place: Path) -> str:
    """Return the text of `session.json` in a session folder."""
    return (place / "session.json").read_text()


def is_newer(path: Path, other: Path) -> bool:
    """Whether a file has been written after another."""
    return path.exists() and path.stat().st_mtime_ns > other.stat().st_mtime_ns


@pytest.mark.pythons("3.11")
def test_shell_that_has_started_python(
    interpreter: Interpreter, covattach: Covattach, tmp_path: Path
) -> None:
    """A process that runs no Python is refused; the one to begin with is named."""
    words = f"{interpreter.python} {PROGRAM} 1; exit $?"
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{interpreter.site}:{TARGETS}"}
    shell = Target(["/bin/sh", "-c", words], tmp_path, env=environment)
    try:
        shell.line("ready")
        first = descendants(shell.pid)[0]
        assert f"`covattach start {first} --tree`" in covattach.fails(
            3, "start", shell.pid, "--tree"
        )
        covattach("start", first, "--tree")
        covattach("stop", first, "--no-dump")
    finally:
        shell.close()


@pytest.mark.pythons("3.14", stress=("3.11",))
def test_interrupted_start(interpreter: Interpreter, covattach: Covattach, launch: Launch) -> None:
    """Ctrl-C while some have been attached to, and others have not, leaves all as they were."""
    # GIVEN a start that is in the middle of it
    target = launch(interpreter, "siblings.py", 12)
    family = [target.pid, *descendants(target.pid)]
    before = {pid: status(pid, "Threads") for pid in family}
    popen = covattach.begin("start", target.pid, "--tree", start_new_session=True)
    assert popen.stderr is not None
    for line in popen.stderr:
        if line.startswith("attached to 3 of"):
            break

    # WHEN it is interrupted
    popen.send_signal(signal.SIGINT)
    done = covattach.end(popen)

    # THEN nobody is attached to, and everybody works
    assert done.code == 130
    for pid in family:
        assert status(pid, "TracerPid") == "0"
        assert status(pid, "Threads") == before[pid]
    for pid in family[1:]:
        assert target.ask(f"tell({pid})") is True
    assert not [place for place in Path("/tmp").glob("covattach-*") if says(place, family)]  # noqa: S108
    covattach("start", target.pid, "--tree")
    covattach("stop", target.pid, "--no-dump")


def says(place: Path, pids: list[int]) -> bool:
    """Whether a session's folder is one of these processes."""
    try:
        return any(f'"pid": {pid},' in facts_in(place) for pid in pids)
    except OSError:
        return False


@pytest.mark.pythons("3.11", "3.14")
def test_workers_that_become_another_user(
    interpreter: Interpreter, covattach: Covattach, launch: Launch
) -> None:
    """Workers that become another user are measured, also after their end, and nothing is left."""
    assert os.geteuid() == 0, "only root can become another user"
    # GIVEN root's process, which is measured, and children that are not root's
    target = launch(interpreter, "siblings.py", 0)
    facts = covattach("start", target.pid, "--tree", "--json").facts
    pids = [target.ask(f"have({NOBODY})") for _ in range(2)]
    for pid in pids:
        assert target.ask(f"tell({pid})") is True

    # WHEN it is reported while they are there, and when one has ended
    reports = []
    for _ in range(2):
        covattach("dump", target.pid, "--no-html")
        reports.append(lines_by_pid(covattach.folder / ".coverage", PROGRAM))
        target.ask(f"end({pids[0]})") if len(reports) == 1 else None

    # THEN both have their lines in both reports
    for found in reports:
        assert all(found[pid] >= ACT for pid in pids)
    covattach("stop", target.pid, "--no-html")
    assert all(lines_by_pid(covattach.folder / ".coverage", PROGRAM)[pid] >= ACT for pid in pids)
    wait_for(lambda: status(pids[1], "Threads") == "1", "the agent to leave", PATIENCE)
    assert target.ask(f"tell({pids[1]})") is True
    assert not folders_of(facts)


@pytest.mark.pythons("3.11")
def test_births_during_start(
    interpreter: Interpreter, covattach: Covattach, launch: Launch
) -> None:
    """Children that are born while their parent is being attached to are measured as well."""
    check_births(launch(interpreter, "siblings.py", 0), covattach)


@pytest.mark.stress
@pytest.mark.timeout(300)
@pytest.mark.pythons("3.9", "3.13", "3.14")
def test_births_on_other_versions(
    interpreter: Interpreter, covattach: Covattach, launch: Launch
) -> None:
    """The same holds on the other versions."""
    check_births(launch(interpreter, "siblings.py", 0), covattach)


def check_births(target: Target, covattach: Covattach) -> None:
    """Attach to a target that has children all the while, and see that each is measured."""
    over = covattach.folder / "over"
    target.tell(f"have_until({str(over)!r})")
    popen = covattach.begin("start", target.pid, "--tree", "--timeout", "120")
    assert popen.stderr is not None
    for line in popen.stderr:
        if line.startswith("attached to"):
            over.touch()
            break
    pids = json.loads(target.line("answer "))
    done = covattach.end(popen)
    assert "is not measured" not in done.err
    for pid in pids:
        assert target.ask(f"tell({pid})") is True
    covattach("stop", target.pid, "--no-html")
    found = lines_by_pid(covattach.folder / ".coverage", PROGRAM)
    assert all(found[pid] >= ACT for pid in pids)


@pytest.mark.pythons("3.11")
def test_births_without_an_end(
    interpreter: Interpreter, covattach: Covattach, launch: Launch
) -> None:
    """`start` comes to its end, and names those for which no time was left."""
    target = launch(interpreter, "spawning.py")
    done = covattach.run("start", target.pid, "--tree", "--timeout", "4")
    # On a loaded machine the time is up before the first of them.
    assert re.search("when the time for the tree was up|in time; it runs on untouched", done.err)
    covattach("stop", target.pid, "--no-dump")


@pytest.mark.stress
@pytest.mark.timeout(300)
@pytest.mark.pythons("3.9", "3.11", "3.13", "3.14")
def test_many(interpreter: Interpreter, covattach: Covattach, launch: Launch) -> None:
    """Of 64 processes all are measured and reported, and it is told how far that is."""
    target = launch(interpreter, "siblings.py", 63)
    pids = descendants(target.pid)
    start = covattach("start", target.pid, "--tree", "--json")
    assert len(start.facts["processes"]) == 64
    assert "attached to 64 of 64 processes" in start.err
    for pid in pids:
        assert target.ask(f"tell({pid})") is True
    dump = covattach("dump", target.pid, "--no-html")
    assert "asked 64 of 64 processes" in dump.err
    found = lines_by_pid(covattach.folder / ".coverage", PROGRAM)
    assert all(found[pid] >= ACT for pid in pids)
    covattach("stop", target.pid, "--no-dump")
    assert not folders_of(start.facts)
    assert {status(pid, "Threads") for pid in [target.pid, *pids]} == {"1"}
