"""SIGKILL of `covattach trace` at any instant: the target is back at its full speed in no time."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest
from support.command import Covattach
from support.interpreters import Interpreter
from support.kills import SEED
from support.targets import Launch, Target
from support.waiting import wait_for

pytestmark = [pytest.mark.stress, pytest.mark.timeout(3600)]
KILLS = 50
SOON = 2.0  # seconds in which the target must be at its full speed
SAME = ("trace", "tools", "switch interval")  # what makes a target slower


@pytest.mark.pythons("3.9", "3.11", "3.14")
def test_random_instants(interpreter: Interpreter, covattach: Covattach, launch: Launch) -> None:
    """Of 50 kills, from the start of the program to a second into the trace, none is felt."""
    # GIVEN a target that does nothing but call, and how long it takes to begin with a trace
    target = launch(interpreter, "calling.py", "hot")
    before = target.residue()
    covattach("trace", target.pid, "--limit", 1)
    began = time.monotonic()
    covattach("trace", target.pid, "--limit", 1)
    longest = time.monotonic() - began + 1
    draw = random.Random(f"{SEED} {interpreter.id}")  # noqa: S311  not for secrets
    times = []

    # WHEN it is killed at any instant
    for _ in range(KILLS):
        popen = covattach.begin("trace", target.pid)
        at = time.monotonic() + draw.uniform(0, longest)
        while time.monotonic() < at:
            continue
        popen.kill()
        killed = time.monotonic()
        popen.communicate()

        # THEN nothing that slows the target down is left after a moment
        late: set[str] = set()
        wait_for(lambda: not left(target, before, late), "it to be at its full speed")  # noqa: B023
        times.append(time.monotonic() - killed)
        print(f"{len(times)}: {times[-1]:.2f} s, {', '.join(sorted(late)) or 'nothing'} to undo")
    print(f"{interpreter.id}: at its full speed after {max(times):.2f} s at the latest")
    assert max(times) < SOON

    # AND it can be traced, and is as before
    covattach("trace", target.pid, "--limit", 1)
    wait_for(lambda: target.traces()["threads"] == before["threads"], "the agents to end", 60)
    target.assert_untouched(before)


def left(target: Target, before: dict[str, Any], late: set[str]) -> bool:
    """Whether anything is left that makes the target slower; its names go into `late`."""
    now = target.ask("answering.residue()")
    there = {name for name in SAME if now[name] != before[name]}
    late |= there
    return bool(there)
