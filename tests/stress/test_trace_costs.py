"""The cost of `covattach trace` to a target that does nothing but call, while the reader sleeps."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from support.command import Covattach
from support.interpreters import Interpreter
from support.targets import Launch, Target
from support.waiting import wait_for

pytestmark = [pytest.mark.stress, pytest.mark.timeout(300)]
SECONDS = 3.0  # of the target's CPU time that are looked at
MOST = 20.0  # per cent of its throughput
TICKS = os.sysconf("SC_CLK_TCK")


def cpu(target: Target) -> float:
    """Return the CPU time that a target has had, in seconds, without asking it."""
    stat = Path(f"/proc/{target.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / TICKS


def rate(target: Target) -> float:
    """Return how many thousands of calls a target makes in a second of its CPU time."""
    calls, began = target.ask("counted[0]"), cpu(target)
    wait_for(lambda: cpu(target) >= began + SECONDS, "it to run", 60)
    return float((target.ask("counted[0]") - calls) / (cpu(target) - began))


@pytest.mark.pythons("3.9", "3.11", "3.14")
def test_throughput(interpreter: Interpreter, covattach: Covattach, launch: Launch) -> None:
    """With no filter, and nobody who reads, it falls by less than 20 %, and all is counted."""
    target = launch(interpreter, "calling.py", "hot")
    covattach("trace", target.pid, "--limit", 1)
    usual = rate(target)
    popen = covattach.begin("trace", target.pid)
    assert popen.stdout is not None
    popen.stdout.readline()  # the first call
    popen.send_signal(signal.SIGSTOP)

    traced = rate(target)

    popen.send_signal(signal.SIGCONT)
    popen.send_signal(signal.SIGINT)
    done = covattach.end(popen)
    again = rate(target)
    falls = [100 * (1 - traced / one) for one in (usual, again)]
    print(f"{interpreter.id}: fell by {falls[0]:.1f} % of before, {falls[1]:.1f} % of after")
    print(done.err)
    assert "dropped" in done.err
    assert min(falls) < MOST
