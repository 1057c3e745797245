"""Waits that are in progress during an attach end when and as they would have."""

from __future__ import annotations

import json
import time

import pytest
from support.command import Covattach
from support.interpreters import Interpreter
from support.targets import Launch

from covattach.process.interpreter import find_interpreter
from covattach.process.process import Process
from covattach.process.thread_activity import activity

WAYS = ("sleep", "poll", "recv", "recv_timeout", "wait", "wait_timeout")
SECONDS = 4.0  # as tests/targets/waits.py has it
GRAIN = 0.05  # poll's milliseconds, and the clock of another process that ends
LATE = 10.0  # seconds that a machine with much to do may add


@pytest.mark.pythons("3.9", "3.14", stress=("3.11", "3.13", "3.15"))
@pytest.mark.parametrize("way", WAYS)
def test_ends_when_and_as_it_would(
    interpreter: Interpreter, way: str, covattach: Covattach, launch: Launch
) -> None:
    """The result is the same, no error is seen, and the wait is not cut short nor begun anew."""
    # GIVEN two targets that wait in the same way
    target, control = (launch(interpreter, "waits.py", way) for _ in range(2))

    # WHEN one of them is attached to
    process = Process(target.pid)
    before = activity(process, find_interpreter(process), target.pid)
    facts = covattach("start", target.pid, "--json").facts
    print(f"{before}; attached: {facts}; {time.monotonic()}")

    # THEN its wait ends with the same result, and not before the time nor much later
    result, took = json.loads(target.line("came "))
    expected, usual = json.loads(control.line("came "))
    assert result == expected
    assert took > SECONDS - GRAIN
    assert took < usual + LATE
    covattach("stop", target.pid, "--no-dump")
