"""2,000 attaches in which one thing goes wrong at a random instant.

The target is as before or it is measured, and the message says which; every wait ends by its
time-out.  docs/hazards.md is made of the figures (tools/stress_tables.py).
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable

import pytest
from support.command import TRACEBACK, Covattach, Done
from support.faults import KINDS, Kind
from support.interpreters import Interpreter, newest
from support.kills import undisturbed
from support.targets import Launch, Target
from support.waiting import wait_for

from covattach.attach import attach_process
from covattach.errors import CovattachError
from covattach.session.session_lookup import find_session

pytestmark = [pytest.mark.stress, pytest.mark.timeout(1800)]
TIMEOUT = 10.0  # seconds that covattach is given
SAID = re.compile("^(Error: |Interrupted: )", re.MULTILINE)
SLACK = 20.0  # seconds that a loaded machine adds to it at most


CASES = [
    pytest.param(kind, minor, id="{}-{}.{}".format(kind.name.replace(" ", "-"), *minor))
    for kind in KINDS
    for minor in kind.minors
]


@pytest.mark.parametrize(("kind", "minor"), CASES)
def test_fault(
    kind: Kind,
    minor: tuple[int, int],
    covattach: Covattach,
    launch: Launch,
    record_property: Callable[[str, object], None],
) -> None:
    """A fault at any instant of an attach harms no target, and the message is true."""
    record_property("fault", kind.name)
    record_property("python", "{}.{}".format(*minor))
    interpreter = newest("{}.{}".format(*minor))
    draw = random.Random(f"{kind.name} {minor}")  # noqa: S311  not for secrets
    target = started(launch, interpreter)
    usual = undisturbed(covattach, target).whole
    refused = 0
    for number in range(kind.rounds):
        # GIVEN a target, WHEN something goes wrong while it is attached to
        if kind.ends and number:
            target = started(launch, interpreter)
        done = disturbed(kind, target, covattach, draw.uniform(0, 1.1 * usual))
        refused += done.code != 0
        # THEN the message is true
        assert_true(kind, target, done)
        record_property("attaches", number + 1)
        record_property("refused", refused)


def started(launch: Launch, interpreter: Interpreter) -> Target:
    """Start a target with file systems of its own."""
    return launch(interpreter, "faulty.py", "private")


def disturbed(kind: Kind, target: Target, covattach: Covattach, after: float) -> Done:
    """Attach, and make the fault happen after `after` seconds; return covattach's output."""
    began = time.monotonic()
    popen = covattach.begin("start", target.pid, "--timeout", TIMEOUT)
    wait_for(lambda: time.monotonic() - began > after or popen.poll() is not None, "the instant")
    undo = kind.happen(target, popen)
    try:
        done = covattach.end(popen)
    finally:
        undo()
    print(f"{kind.name} after {after:.3f} s")
    assert time.monotonic() - began < TIMEOUT + SLACK
    return done


def assert_true(kind: Kind, target: Target, done: Done) -> None:
    """Fail unless covattach's message is true, and the target is well or has ended as told."""
    assert TRACEBACK not in done.err.replace("The traceback", "")
    if kind.ends:
        target.wait()
        return
    if kind.name == "the target becomes another program" and "ready" not in target.said[1:]:
        target.line("ready")
    wait_for(target.is_well, "the target to run")
    target.tell("'in touch'")
    target.line('answer "in touch"')  # there may be other answers before it
    if done.code == 0:
        assert_measured_or_ended(target)
    else:
        assert done.code < 0 or SAID.search(done.err), "it says nothing"
    assert_good_as_new(target)


def assert_measured_or_ended(target: Target) -> None:
    """Fail unless a target that is said to be measured is; stop it."""
    try:
        found = find_session(target.pid)
    except CovattachError:
        return  # it is another program since
    if found.alive:
        found.stop()


def assert_good_as_new(target: Target) -> None:
    """Fail unless it can be measured, and nothing is left of it then."""
    found, _ = attach_process.start(target.pid, attach_process.Options(timeout=30), print)
    found.stop()
    assert target.is_well()
    assert not target.folders
