"""Targets that close descriptors of ours, and have others by these numbers."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest
from covattach.payloads.interpreter import descriptors
from support.inside import Inside
from support.interpreters import Interpreter
from support.marks import marked
from support.targets import Launch, Target
from support.waiting import wait_for


def is_measured_on(agent: Inside) -> None:
    """Fail unless later lines are in a dump, forks go on, and nothing is harmed."""
    target = agent.target
    assert target.ask("later()")
    expected = marked("closing.py", "# later")
    assert agent.points_until("closing.py", expected) >= expected
    assert [target.ask("fork()") for _ in range(3)] == [0, 0, 0]
    assert agent.ask("status")[0]["measuring"]
    assert target.ask("harm()") == []


@pytest.mark.parametrize(
    "closing",
    [
        "close('half')",
        pytest.param("close('range')", marks=pytest.mark.stress),
        pytest.param("close('listed')", marks=pytest.mark.stress),
    ],
)
@pytest.mark.pythons("3.9", "3.14", stress=("3.11", "3.13"))
def test_all_is_closed(interpreter: Interpreter, closing: str, launch: Launch) -> None:
    """A target that closes descriptors of ours is measured on, and its own are untouched."""
    # GIVEN a measured target with an autosave
    target = launch(interpreter, "closing.py", "with")
    before = target.traces()
    with Inside(target) as agent:
        agent.ask("start", options={}, every=0.1)

        # WHEN it closes all others, and opens files / THEN its lines are in a dump
        target.ask(closing)
        is_measured_on(agent)

        # AND again, and in the next autosave
        target.ask(closing)
        is_measured_on(agent)
        (agent.path / "snapshot").unlink(missing_ok=True)
        wait_for((agent.path / "snapshot").exists, "an autosave")

        # AND nothing of ours is left
        agent.stop()
        assert target.ask("harm()") == []
    wait_for(lambda: target.traces()["threads"] == before["threads"], "the end")
    target.ask("[file.close() for file in files]")
    assert target.traces()["descriptors"] == before["descriptors"]
    assert not target.log.read_text()


@pytest.mark.pythons("3.9", "3.14", stress=("3.11", "3.13"))
def test_others_have_our_numbers(interpreter: Interpreter, launch: Launch) -> None:
    """Files that took over the numbers of our descriptors are not read, written or closed."""
    # GIVEN a measured target
    target = launch(interpreter, "closing.py", "with")
    with Inside(target) as agent:
        agent.start()

        # WHEN it puts a file in the place of each of ours, twice
        for _ in range(2):
            target.ask("take_over()")
            is_measured_on(agent)
        assert len(target.ask("taken")) >= 10

        # THEN it has them after the end, untouched
        agent.stop()
        assert target.ask("harm()") == []
    assert not target.log.read_text()


@pytest.mark.pythons("3.9", "3.14")
def test_sigterm_still_saves(interpreter: Interpreter, launch: Launch) -> None:
    """SIGTERM, by which our socket is written to, writes into no file of the target's."""
    # GIVEN a measured target that has put files of its own in the place of our descriptors
    target = launch(interpreter, "closing.py", "with")
    with Inside(target) as agent:
        agent.start()
        target.ask("take_over()")
        is_measured_on(agent)

        # WHEN it gets the signal, THEN it ends by that, with a last snapshot and its files whole
        os.kill(target.pid, signal.SIGTERM)
        assert target.wait() == -signal.SIGTERM
        assert (agent.path / "snapshot").exists()
    data = target.log.parent / "data0"
    assert data.read_bytes() == b"A" * 5000


def test_closed_while_it_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of the application's, which got our number before we looked, stays open and whole."""
    # GIVEN an application that closes each file of ours once it is open, and opens one of its own
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    theirs.write_bytes(b"theirs")
    ours.write_bytes(b"ours")
    taken = []

    def open_and_lose(path: str, flags: int, mode: int) -> int:
        number = real(path, flags, mode)
        os.close(number)
        assert real(theirs, os.O_RDWR) == number
        taken.append(number)
        return number

    real = os.open
    monkeypatch.setattr(descriptors.os, "open", open_and_lose)

    # WHEN we read or write ours / THEN nothing of theirs is read, written or closed
    with pytest.raises(descriptors.Lost):
        descriptors.read(str(ours))
    with pytest.raises(descriptors.Lost):
        descriptors.write(str(ours), [b"new"])
    for number in taken:
        assert os.lseek(number, 0, os.SEEK_CUR) == 0
        os.close(number)
    assert theirs.read_bytes() == b"theirs"


def only_files(target: Target) -> bool:
    """Whether the lowest numbers are free, or those of the target's files."""
    found = target.traces()["descriptors"]
    return all("/data" in found.get(number, "/data") for number in (0, 1, 2))


@pytest.mark.pythons("3.9", "3.14")
def test_without_standard_streams(interpreter: Interpreter, launch: Launch) -> None:
    """Where 0, 1 and 2 are not there, none of ours is there instead."""
    # GIVEN a target without them
    target = launch(interpreter, "closing.py", "without")
    before = target.traces()["descriptors"]
    assert not {0, 1, 2}.intersection(before)
    with Inside(target) as agent:
        # WHEN it is measured, saved and dumped / THEN they stay free
        agent.ask("start", options={}, every=0.1)
        wait_for((agent.path / "snapshot").exists, "an autosave")
        is_measured_on(agent)
        # A file of an autosave has such a number until it is moved, for some microseconds.
        wait_for(lambda: not {0, 1, 2}.intersection(target.traces()["descriptors"]), "free places")
        agent.stop()
    with Inside(target) as agent:
        # AND also when we begin anew, which does not wait for them for ever
        agent.start()
        target.ask("close('range')")
        is_measured_on(agent)
        wait_for(lambda: only_files(target), "none of ours in their place")
        agent.stop()


@pytest.mark.pythons("3.9", "3.14")
def test_no_way_back(interpreter: Interpreter, launch: Launch) -> None:
    """Where the agent cannot listen any more, it tries on, or ends the session wholly."""
    # GIVEN a measured target
    target = launch(interpreter, "closing.py", "with")
    before = target.traces()
    with Inside(target) as agent:
        agent.start()

        # WHEN it closes all, and has no descriptor to give / THEN it is measured on once it has
        target.ask("close('range')")
        limit = "__import__('resource').setrlimit(7, ({0}, 4096))"
        target.ask(limit.format("files[-1].fileno() + 1"))
        target.ask("close('listed')")
        target.ask(limit.format("1024"))
        is_measured_on(agent)

        # WHEN the folder is gone too / THEN nothing is measured, and nothing of ours is there
        shutil.rmtree(agent.path)
        target.ask("close('range')")
        wait_for(lambda: target.traces()["threads"] == before["threads"], "the end")
        assert not target.ask("hasattr(sys, 'covattach') or bool(sys.gettrace())")
        assert target.ask("[fork(), harm()]") == [0, []]

    # AND another session can begin
    with Inside(target) as agent:
        agent.start()
        is_measured_on(agent)
        agent.stop()
    assert not target.log.read_text()
