"""`--max-overhead`: measuring ends when it costs too much, and its data stay."""

from __future__ import annotations

import coverage
import pytest
from support.command import Covattach
from support.interpreters import Interpreter
from support.targets import TARGETS, Launch
from support.waiting import wait_for

BUSY = TARGETS / "busy.py"


@pytest.mark.pythons("3.11", "3.14", stress=("3.9", "3.13"))
def test_a_hot_loop_is_left_alone(
    interpreter: Interpreter, covattach: Covattach, launch: Launch
) -> None:
    """A hot loop under the C tracer is not measured for long; dump, status and stop say why."""
    # GIVEN a hot loop that is measured by the C tracer
    target = launch(interpreter, "busy.py", "hot")
    done = covattach("start", target.pid, "--core", "ctrace", "--max-overhead", "20")

    # AND the cost is told before anything is done
    told = f"Until `covattach stop {target.pid}`, CPU-bound Python code takes"
    assert 0 <= done.err.find(told) < done.err.find("attaching")

    # WHEN that has slowed it down for some seconds
    (facts,) = wait_for(
        lambda: [one for one in covattach("status", target.pid, "--json").facts if one["off"]],
        "measuring is taken off",
    )

    # THEN it says so, and nobody traces any more
    assert facts["overhead"] > facts["max_overhead"] == 20
    assert "20 % are allowed" in covattach("status", target.pid).err
    assert target.ask("sys.gettrace()") is None
    traced = "sum(f.f_trace is not None for f in sys._current_frames().values())"
    assert target.ask(traced) == 0
    assert target.ask("hasattr(sys, 'covattach')") is False

    # AND its lines until then are there, with the reason; a new start and windows are refused
    done = covattach("dump", target.pid, "--no-html")
    assert "Measuring was taken off at" in done.err
    data = coverage.CoverageData(str(covattach.folder / ".coverage"))
    data.read()
    lines = enumerate(BUSY.read_text().splitlines(), 1)
    hot = {number for number, line in lines if line.endswith("# on") and "sleep" not in line}
    assert set(data.lines(str(BUSY)) or ()) >= hot
    assert "Measuring was taken off" in covattach.fails(5, "start", target.pid)
    assert "Measuring was taken off" in covattach.fails(5, "mark", target.pid, "late")

    # AND it can be stopped, and measured again
    assert "Measuring was taken off at" in covattach("stop", target.pid, "--no-html").err
    covattach("start", target.pid)
    covattach("stop", target.pid, "--no-dump")


@pytest.mark.pythons("3.9", "3.11", "3.13", "3.14")
def test_a_target_that_waits_is_measured_on(
    interpreter: Interpreter, covattach: Covattach, launch: Launch
) -> None:
    """A target that mostly waits is hardly slowed down, and measured on."""
    # GIVEN a target that waits, measured by the C tracer with a limit
    target = launch(interpreter, "busy.py", "wait")
    covattach("start", target.pid, "--core", "ctrace", "--max-overhead", "20")

    # WHEN it has been looked at for as long as a hot loop is
    def overhead() -> float:
        (facts,) = covattach("status", target.pid, "--json").facts
        assert facts["off"] == ""
        return float(facts["overhead"])

    wait_for(overhead, "an estimate")

    # THEN it is measured still
    assert 0 < overhead() < 20
    covattach("mark", target.pid, "after")
    covattach("stop", target.pid, "--no-dump")
