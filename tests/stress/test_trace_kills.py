"""SIGKILL of `covattach trace` at any instant: the target is back at its full speed in no time."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pytest
from conftest import Interpreter
from kills import SEED
from running import Covattach, Target, wait_for

pytestmark = [pytest.mark.stress, pytest.mark.timeout(3600)]
KILLS = 50
SAME = ("trace", "tools", "switch interval")  # what makes a target slower


@pytest.mark.pythons("3.9", "3.11", "3.14")
def test_random_instants(
    interpreter: Interpreter, covattach: Covattach, launch: Callable[..., Target]
) -> None:
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
        wait_for(
            lambda: all(target.ask("answering.residue()")[name] == before[name] for name in SAME),
            "the target to be at its full speed",
        )
        times.append(time.monotonic() - killed)
    print(f"{interpreter.id}: seconds until it was, sorted: {[f'{t:.2f}' for t in sorted(times)]}")

    # AND it can be traced, and is as before
    covattach("trace", target.pid, "--limit", 1)
    wait_for(lambda: target.traces()["threads"] == before["threads"], "the agents to end", 60)
    target.assert_untouched(before)
