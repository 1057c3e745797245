"""Sessions while the application does things of its own: it is not harmed."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path

import pytest
from support.inside import PAYLOADS, Inside, prepare
from support.interpreters import Interpreter
from support.marks import marked
from support.targets import Launch
from support.waiting import wait_for

from covattach.injector.bootstrap_line import bootstrap_line
from covattach.session import agent_client
from covattach.session.folder import SessionFolder

CORES = pytest.mark.parametrize("core", ["default", "ctrace"])


@CORES
def test_handlers_that_raise(interpreter: Interpreter, core: str, launch: Launch) -> None:
    """Each exception of a signal handler reaches the application, and measuring goes on."""
    # GIVEN a target that gets signals all the time
    target = launch(interpreter, "signalled.py")
    target.ask("threading.Thread(target=signals).start()")

    # WHEN it is measured again and again
    for _ in range(4):
        with Inside(target) as agent:
            agent.start("ctrace" if core == "ctrace" else None)

            # THEN its lines are there, although handlers raise in the middle of everything
            sending = marked("signalled.py", "# on, sending")
            assert agent.points_until("signalled.py", sending) >= sending
            assert agent.ask("status")[0]["warnings"] == []
            agent.stop()

    # AND each signal was caught, and nothing but signals
    wait_for(lambda: target.ask("len(caught)") > 20, "signals enough")
    assert target.ask("set(caught)") == "{'Interrupted'}"


@pytest.mark.pythons("3.9", "3.10", "3.11", "3.12", "3.13")
def test_a_handler_that_raises_in_our_function(interpreter: Interpreter, launch: Launch) -> None:
    """An application's exception passes through our trace function, which is set again."""
    # GIVEN a target in which the C tracer's start is interrupted by the application
    target = launch(interpreter, "signalled.py")
    with Inside(target) as agent:
        raising = "(_ for _ in ()).throw(KeyboardInterrupt)"
        name = "__import__('coverage.collector').collector.Collector._start_tracer"
        agent.ask("status")
        target.ask("__import__('coverage')")
        target.ask(f"setattr(sys, 'real', {name})")
        condition = "sys.once and __import__('_thread').get_ident() == sys.main"
        fake = f"lambda self: {raising} if {condition} and sys.once.pop() else sys.real(self)"
        target.ask(
            "[setattr(sys, 'once', [1]), setattr(sys, 'main', threading.main_thread().ident)]"
        )
        target.ask(
            f"setattr({name.rpartition('.')[0]}, '_start_tracer', eval({fake!r}, {{'sys': sys}}))"
        )

        # WHEN it is measured
        agent.start("ctrace")

        # THEN the application has got the exception, and its thread is measured all the same
        wait_for(lambda: target.ask("caught"), "the exception is caught")
        assert target.ask("caught") == ["KeyboardInterrupt"]
        running = marked("signalled.py", "# on")
        assert agent.points_until("signalled.py", running) >= running
        agent.stop()


@pytest.mark.pythons("3.9", "3.10", "3.11", "3.12", "3.13")
def test_a_fault_of_ours(interpreter: Interpreter, launch: Launch) -> None:
    """A fault in our trace function does not reach the application, but the user."""
    # GIVEN a target in which the C tracer cannot be started in the main thread
    target = launch(interpreter, "signalled.py")
    with Inside(target) as agent:
        target.ask("__import__('coverage')")
        name = "__import__('coverage.collector').collector.Collector"
        target.ask(f"setattr(sys, 'real', {name}._start_tracer)")
        target.ask("setattr(sys, 'main', threading.main_thread().ident)")
        code = (
            "def faulty(self):\n"
            "    import _thread, sys\n"
            "    if _thread.get_ident() == sys.main: raise ValueError('a bug')\n"
            "    return sys.real(self)\n"
        )
        target.ask("[setattr(sys, 'made', {}), None][1]")
        file = "__import__('coverage.collector').collector.__file__"
        target.ask(f"exec(compile({code!r}, {file}, 'exec'), sys.made)")
        target.ask(f"setattr({name}, '_start_tracer', sys.made['faulty'])")

        # WHEN it is measured
        agent.start("ctrace")

        # THEN the user is told, and the application goes on
        wait_for(lambda: agent.ask("status")[0]["warnings"], "the fault is noted")
        assert agent.ask("status")[0]["warnings"] == [
            "a thread is not measured: ValueError('a bug')"
        ]
        assert target.ask("caught") == []
        agent.stop()


@pytest.mark.pythons("3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15")
def test_audit_hooks(interpreter: Interpreter, launch: Launch) -> None:
    """A target with an audit hook in Python is measured completely."""
    # GIVEN a target with an audit hook
    target = launch(interpreter, "mixture.py")
    target.ask("sys.addaudithook(lambda *event: len(event))")
    interval = target.ask("sys.getswitchinterval()")
    with Inside(target) as agent:
        # WHEN it is measured by trace functions, the setting of which is audited
        agent.start("ctrace")

        # THEN all is there
        running = marked("mixture.py", "# on")
        assert agent.points_until("mixture.py", running) == running
        agent.stop()
    assert target.ask("sys.getswitchinterval()") == interval


@pytest.mark.pythons("3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15")
@pytest.mark.parametrize("where", ["main", "other"])
def test_a_target_without_threading(interpreter: Interpreter, where: str, launch: Launch) -> None:
    """The main thread is still the main one for `threading`, wherever the agent was launched."""
    # GIVEN a target that has not imported threading
    folder = Path(tempfile.mkdtemp(prefix="payloads-", dir="/tmp"))
    (folder / "payloads").symlink_to(PAYLOADS)
    (folder / "token").touch()
    prepare(folder)
    line = bootstrap_line(str(folder)).decode()
    target = launch(interpreter, "unthreaded.py", where, line, options=("-S",))
    assert "pth" not in target.log.read_text()

    # WHEN it is measured
    os.kill(target.pid, signal.SIGUSR1)
    session = SessionFolder(folder, str(folder))
    wait_for(lambda: agent_client.answers(session), "the agent listens")
    deadline = float("1e9")
    agent_client.ask(session, "start", deadline, options={})
    target.tell("go on")
    target.line("alive")
    agent_client.ask(session, "stop", deadline)

    # THEN its main thread is the main thread
    assert target.popen.stdin is not None
    target.popen.stdin.close()
    assert target.line("") == "same"
    assert target.wait() == 0
