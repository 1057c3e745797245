"""The agent's answers: to good requests, to bad ones, and to faults."""

from __future__ import annotations

import json
import os
import socket

import pytest
from support.inside import Inside
from support.interpreters import Interpreter
from support.marks import marked
from support.targets import Launch
from support.waiting import wait_for

from covattach.errors import NotNow, PayloadFailed


def converse(agent: Inside, request: bytes) -> dict[str, object]:
    """Send bytes as they are; return the reply."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(agent.path / "agent.sock"))
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        reply = connection.makefile("rb").readline()
    answer = json.loads(reply)
    assert isinstance(answer, dict)
    return answer


def assert_ended(agent: Inside, before: dict[str, object]) -> None:
    """Fail unless the agent ends, and its target is as it was."""
    target = agent.target
    wait_for(lambda: not agent.path.exists(), "the agent ends")
    wait_for(lambda: target.traces()["threads"] == before["threads"], "its thread is gone")
    target.assert_untouched(before)


@pytest.mark.pythons("3.9", "3.13", "3.15")
@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (b"garbage\n", "not JSON"),
        (b"[]\n", "not of protocol"),
        (b'{"verb": "status", "protocol": 99}\n', "not of protocol"),
        (b'{"verb": "dance", "protocol": 1}\n', "no verb 'dance'"),
        (b'{"verb": "dump", "protocol": 1}\n', "nothing is measured yet"),
        (b'{"verb": "stat', "ends before"),
        (b"\xff\xfe\n", "not JSON"),
    ],
    ids=["garbage", "list", "protocol", "verb", "too-early", "half", "binary"],
)
def test_bad_requests(
    interpreter: Interpreter, request_: bytes, message: str, launch: Launch
) -> None:
    """A bad request is answered with the reason, and the agent goes on."""
    # GIVEN an agent
    target = launch(interpreter, "idle.py", "event")
    with Inside(target) as agent:
        # WHEN it is sent nonsense
        reply = converse(agent, request_)

        # THEN it says why that is no request
        assert reply["error"] == "fault"
        assert message in str(reply["message"])

        # AND still serves good requests
        agent.start()
        assert agent.ask("status")[0]["measuring"] is True
        agent.stop()


@pytest.mark.pythons("3.9", "3.11", "3.12", "3.14")
def test_a_start_that_fails(interpreter: Interpreter, launch: Launch) -> None:
    """An option that coverage refuses ends the session, with the traceback, and undoes all."""
    # GIVEN an agent
    target = launch(interpreter, "mixture.py")
    before = target.residue()
    with Inside(target) as agent:
        # WHEN it is to measure with an option that there is not
        with pytest.raises(PayloadFailed) as caught:
            agent.start(no_such="thing")

        # THEN the traceback shows the line of the payload
        assert "cov.set_option(name, value)" in caught.value.traceback
        assert_ended(agent, before)

    # AND a good session can follow
    with Inside(target) as agent:
        agent.start()
        agent.stop()


def fails_and_is_undone(
    launch: Launch, interpreter: Interpreter, core: str, event: str, number: int, at: str
) -> None:
    """Have a start fail `at` a call because an audit hook refuses an event."""
    # GIVEN a target with an audit hook that refuses something we need, once
    target = launch(interpreter, "company.py", "none")
    target.ask("listen()")
    before = target.residue()
    target.ask(f"refusing.update({{{event!r}: {number}}})")
    with Inside(target) as agent:
        # WHEN it is to be measured, THEN the reason is reported
        with pytest.raises(PayloadFailed) as caught:
            agent.start(core)
        assert f"PermissionError: {event}" in caught.value.traceback
        assert at in caught.value.traceback

        # AND all is undone
        assert_ended(agent, before)

    # AND the next session measures the lines that run
    with Inside(target) as agent:
        agent.start(core)
        target.ask("later()")
        expected = marked("company.py", "# later")
        assert agent.points_until("company.py", expected) >= expected
        agent.stop()


@pytest.mark.pythons("3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15")
@pytest.mark.parametrize("number", [3, 4, 5])
def test_a_fault_after_coverage_has_begun(
    interpreter: Interpreter, number: int, launch: Launch
) -> None:
    """A fault when the C tracer measures already undoes that too."""
    # The first three looks at the frames come before the start.
    at = "self.adoption.start("
    fails_and_is_undone(launch, interpreter, "ctrace", "sys._current_frames", number, at)


@pytest.mark.pythons("3.12", "3.13", "3.14", "3.15")
@pytest.mark.parametrize(
    ("event", "number", "at"),
    [
        ("sys.monitoring.register_callback", 0, "self.cov.start()"),
        ("sys.monitoring.register_callback", 3, "self.adoption.start("),
        ("sys._current_frames", 1, "self.adoption.start("),
    ],
    ids=["in-coverage", "while-we-listen", "when-we-look-at-frames"],
)
def test_a_fault_after_sysmon_has_begun(
    interpreter: Interpreter, event: str, number: int, at: str, launch: Launch
) -> None:
    """A fault when sys.monitoring calls coverage already, or is about to, undoes that too."""
    fails_and_is_undone(launch, interpreter, "sysmon", event, number, at)


@pytest.mark.pythons("3.9", "3.11")
def test_sysmon_is_asked_for_in_vain(interpreter: Interpreter, launch: Launch) -> None:
    """Below 3.12 coverage takes the C tracer instead, and says so."""
    target = launch(interpreter, "idle.py", "event")
    with Inside(target) as agent:
        facts = agent.start("sysmon")
        assert facts["core"] == "ctrace"
        assert any("sys.monitoring" in warning for warning in facts["warnings"])
        target.ask("later()")
        expected = marked("idle.py", "# later")
        assert agent.points_until("idle.py", expected) >= expected
        agent.stop()


@pytest.mark.pythons("3.9", "3.10", "3.11")
def test_no_ctypes(interpreter: Interpreter, launch: Launch) -> None:
    """Without ctypes only new threads are measured, which is said."""
    # GIVEN a target without ctypes
    target = launch(interpreter, "idle.py", "event")
    target.ask("sys.modules.update(_ctypes=None)")
    with Inside(target) as agent:
        # WHEN it is measured
        warnings = agent.start()["warnings"]

        # THEN the user is told
        assert any("the target's Python has no _ctypes" in warning for warning in warnings)

        # AND exactly the lines of a new thread are there
        target.ask("threading.Thread(target=later).start()")
        expected = marked("idle.py", "# later", "len(lines)")
        assert agent.points_until("idle.py", expected) == expected
        agent.stop()


@pytest.mark.pythons("3.9", "3.13", "3.14")
def test_company(interpreter: Interpreter, launch: Launch) -> None:
    """A target that is measured by its own coverage, or traced, is refused and left alone."""
    # GIVEN a target that measures itself
    target = launch(interpreter, "idle.py", "event")
    target.ask("setattr(sys, 'own', __import__('coverage').Coverage(data_file=None))")
    target.ask("sys.own.start()")
    before = target.residue()
    with Inside(target) as agent:
        # WHEN it is to be measured by us
        # THEN that is refused
        with pytest.raises(NotNow, match="another coverage is measuring"):
            agent.start()
        assert_ended(agent, before)

    # AND its own goes on
    target.ask("later()")
    assert target.ask("len(sys.own.get_data().measured_files())") > 0


@pytest.mark.pythons("3.9", "3.11", "3.12", "3.14")
def test_coverage_that_is_there_already(interpreter: Interpreter, launch: Launch) -> None:
    """Coverage that the target has imported itself is used, and stays."""
    # GIVEN a target that has imported coverage
    target = launch(interpreter, "idle.py", "event")
    target.ask("__import__('coverage')")
    before = target.residue()
    with Inside(target) as agent:
        # WHEN it is measured, and stopped
        agent.start()
        assert target.ask("type(sys.covattach) is sys.modules['coverage'].Coverage")
        agent.stop()

    # THEN coverage is there still
    wait_for(lambda: target.traces()["threads"] == before["threads"], "the end")
    left = set(target.residue()["modules"]) ^ set(before["modules"])
    assert all(name.lstrip("$").startswith("coverage.") for name in left)
    assert os.path.isdir(f"/proc/{target.pid}")
