"""`covattach start` that is ended in the middle: the target is as it was, or can be cleaned."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support.command import Covattach
from support.interpreters import Interpreter
from support.targets import Launch, Target
from support.waiting import wait_for

STAGES: dict[str, Callable[[Target], bool]] = {
    "folder": lambda target: bool(target.folders),
    "traced": lambda target: target.status("TracerPid") != "0",
    "claimed": lambda target: any(not (at / "token").exists() for at in target.folders),
    "listening": lambda target: any((at / "agent.sock").exists() for at in target.folders),
    "measuring": lambda target: target.ask("hasattr(sys, 'covattach')") is True,
}


def begin(
    covattach: Covattach, target: Target, stage: str, number: int
) -> tuple[subprocess.Popen[str], bool]:
    """Send a signal to `covattach start` at that stage; tell whether it came that far."""
    popen = covattach.begin("start", target.pid)
    condition = STAGES[stage]
    wait_for(lambda: condition(target) or popen.poll() is not None, f"the stage {stage}")
    reached = popen.poll() is None
    popen.send_signal(number)
    return popen, reached


@pytest.mark.pythons("3.11", "3.14")
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["int", "term"])
def test_interrupted(
    interpreter: Interpreter,
    stage: str,
    number: int,
    covattach: Covattach,
    launch: Launch,
) -> None:
    """Ctrl-C and SIGTERM undo a begun attach: no trace is left, and a new start works."""
    # GIVEN a target
    target = launch(interpreter, "mixture.py")
    before = target.residue()
    if stage == "traced" and interpreter.minor >= (3, 14):
        stage = "claimed"  # nobody traces there

    # WHEN its attach is interrupted
    popen, reached = begin(covattach, target, stage, number)
    done = covattach.end(popen)

    # THEN it is as before, unless the attach was complete
    if done.code == 0:
        assert stage in ("listening", "measuring"), "it came too late"
        covattach("stop", target.pid, "--no-dump")
    else:
        assert reached
        assert "Traceback" not in done.err
        assert not target.folders
    assert target.is_well()
    wait_for(lambda: target.residue()["threads"] == before["threads"], "the agent's thread to end")
    target.assert_untouched(before)

    # AND can be measured
    covattach("start", target.pid)
    covattach("stop", target.pid, "--no-dump")
    target.assert_untouched(before)


@pytest.mark.pythons("3.11", "3.14")
@pytest.mark.parametrize("stage", STAGES)
def test_killed(interpreter: Interpreter, stage: str, covattach: Covattach, launch: Launch) -> None:
    """SIGKILL leaves a target that runs, untraced, and that the next session cleans."""
    # GIVEN a target
    target = launch(interpreter, "mixture.py")
    before = target.residue()
    if stage == "traced" and interpreter.minor >= (3, 14):
        stage = "claimed"  # nobody traces there

    # WHEN covattach is killed while it attaches
    popen, _ = begin(covattach, target, stage, signal.SIGKILL)
    covattach.end(popen)

    # THEN the target runs as soon as gdb has noticed
    wait_for(target.is_well, "the target to run")
    assert target.ask("1 + 1") == 2

    # AND it can be measured; afterwards the agents' threads end, and nothing is left
    covattach("start", target.pid)
    assert target.ask("later(3)") == 3
    covattach("stop", target.pid, "--no-html")
    assert not target.folders
    wait_for(lambda: target.residue()["threads"] == before["threads"], "the agents to end", 90)
    target.assert_untouched(before)


@pytest.mark.pythons("3.11", "3.14")
def test_two_at_once(
    interpreter: Interpreter, covattach: Covattach, launch: Launch, tmp_path: Path
) -> None:
    """Several starts, dumps and stops at the same time are as good as one after the other."""
    # GIVEN a target
    target = launch(interpreter, "mixture.py")
    before = target.residue()

    # WHEN it is attached to by three at once
    popens = [covattach.begin("start", target.pid) for _ in range(3)]
    codes = [covattach.end(popen).code for popen in popens]

    # THEN one has done it, and the others have said so or why they could not
    assert codes.count(0) >= 1
    assert set(codes) <= {0, 5}
    assert len(target.folders) == 1

    # WHEN it is dumped by three at once, THEN each gets its report
    popens = [
        covattach.begin("dump", target.pid, "--data-file", tmp_path / str(number), "--no-html")
        for number in range(3)
    ]
    assert [covattach.end(popen).code for popen in popens] == [0, 0, 0]

    # WHEN it is stopped by three at once, THEN nothing is left
    popens = [covattach.begin("stop", target.pid, "--no-dump") for _ in range(3)]
    codes = [covattach.end(popen).code for popen in popens]
    assert codes.count(0) >= 1
    assert set(codes) <= {0, 8}
    wait_for(lambda: target.residue()["threads"] == before["threads"], "the agents to end")
    target.assert_untouched(before)
