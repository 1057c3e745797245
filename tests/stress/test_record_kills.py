"""SIGKILL of `covattach record` at any instant: the target is soon as fast as it was."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time

import pytest
from support.command import Covattach
from support.interpreters import newest
from support.kills import SEED, is_dead
from support.targets import Launch, Target, descendants
from support.waiting import wait_for

pytestmark = [pytest.mark.stress, pytest.mark.timeout(3600)]
INSTANTS = 50
SOON = 2.0  # seconds in which the target must be at its full speed
FAST = 1.3  # times the usual cost: what follows from how busy the machine is
RECORD = ("--", "sleep", "0.3")


def cost(target: Target) -> float:
    """Return how many seconds of CPU time a piece of hot code takes the target, at its fastest."""
    timer = "timer=__import__('time').thread_time"
    return float(target.ask(f"min(__import__('timeit').repeat(hot, number=20, repeat=9, {timer}))"))


def soon_as_fast(target: Target, usual: float, deadline: float) -> float:
    """Return the cost as soon as it is the usual one, or the last cost at the deadline."""
    while (found := cost(target)) > FAST * usual and time.monotonic() < deadline:
        print(f"still {found / usual:.2f} times the cost")
    return found


@pytest.mark.parametrize("minor", ["3.9", "3.11", "3.13", "3.14"])
@pytest.mark.parametrize("has_session", [False, True], ids=["alone", "in-a-session"])
def test_full_speed(minor: str, has_session: bool, covattach: Covattach, launch: Launch) -> None:
    """No death; no thread, tracer or slow code of ours 2 s later; a session goes on as it was."""
    # GIVEN a busy target, and how long a recording of it takes
    target = launch(newest(minor), "busy.py", "hot")
    covattach("record", target.pid, *RECORD)
    if has_session:
        covattach("start", target.pid)
    threads, usual = target.traces()["threads"], cost(target)
    longest = undisturbed(covattach, target)
    print(f"seed {SEED}, instants up to {longest:.2f} s, {1e6 * usual / 20:.0f} us a call")
    draw = random.Random(f"{SEED} {minor} {has_session}")  # noqa: S311  not for secrets
    waits, costs, begun = [], [], 0

    for number in range(INSTANTS if minor in ("3.11", "3.14") else INSTANTS // 5):
        # WHEN a recording is killed at any instant
        popen = covattach.begin("record", target.pid, *RECORD)
        wait_for(lambda: has_begun(target, popen), "it to begin")  # noqa: B023
        at = time.monotonic() + draw.uniform(0, longest)
        while time.monotonic() < at:
            continue
        begun += bool(target.folders)
        below = descendants(popen.pid)
        popen.kill()
        killed = time.monotonic()

        # THEN the target lives, and all that slows it down is soon gone
        assert not is_dead(target)
        wait_for(lambda: target.traces()["threads"] == threads, "our thread to be gone")
        waits.append(time.monotonic() - killed)
        costs.append(soon_as_fast(target, usual, killed + SOON))
        print(f"{number}: {1000 * waits[-1]:.0f} ms, then {costs[-1] / usual:.2f} times the cost")
        assert waits[-1] < SOON
        end(covattach, popen, below)

        # AND a session that was there goes on in no window of ours
        if has_session:
            (facts,) = covattach("status", target.pid, "--json").facts
            assert facts["window"] == ""
    print(
        f"{len(waits)} kills, {begun} of them with a session folder; longest {max(waits):.3f} s,"
        f" highest cost {max(costs) / usual:.2f} times the usual"
    )
    assert max(costs) < FAST * usual
    if has_session:
        covattach("stop", target.pid, "--no-dump")
    else:
        covattach("record", target.pid, *RECORD)


def has_begun(target: Target, popen: subprocess.Popen[str]) -> bool:
    """Whether covattach has come to the target; before that it can harm nobody."""
    return bool(target.folders) or popen.poll() is not None


def undisturbed(covattach: Covattach, target: Target) -> float:
    """Record once; return for how many seconds that was at the target."""
    popen = covattach.begin("record", target.pid, *RECORD)
    wait_for(lambda: has_begun(target, popen), "it to begin")
    began = time.monotonic()
    covattach.end(popen)
    return time.monotonic() - began


def end(covattach: Covattach, popen: subprocess.Popen[str], below: list[int]) -> None:
    """Reap a covattach that was killed, and end the commands that it had started."""
    for pid in below:
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if file.read().startswith(b"sleep\0"):
                    os.kill(pid, signal.SIGKILL)
        except OSError:
            continue
    covattach.end(popen)
