"""The end of a process that is measured or traced: nothing of ours acts after the last save."""

from __future__ import annotations

import signal
import time

import pytest
from support.inside import Inside
from support.interpreters import Interpreter
from support.targets import Launch, Target
from support.waiting import PATIENCE

from covattach.session import agent_client
from covattach.session.folder import SessionFolder

GREEN = pytest.mark.pythons("3.11", "3.12", "3.14", stress=("3.9", "3.13"))


def last_words(target: Target) -> tuple[int, list[str], str]:
    """End a target; return its exit status, and its last words on both outputs."""
    target.tell("over.set()")
    status = target.wait()
    target.catch_up()
    said = [line for line in target.said if not line.startswith("answer")]
    return status, said, target.log.read_text()


@GREEN
@pytest.mark.parametrize("how", ["plain", "gevent"])
@pytest.mark.parametrize("core", ["ctrace", "default"])
def test_as_without(interpreter: Interpreter, how: str, core: str, launch: Launch) -> None:
    """A measured target closes its things at the end, and prints the same as unmeasured."""
    # GIVEN its end without us
    alone = last_words(launch(interpreter, "at_the_end.py", how))
    assert "closed well" in alone[1]
    # WHEN it is measured until its end
    target = launch(interpreter, "at_the_end.py", how)
    with Inside(target) as agent:
        agent.start("ctrace" if core == "ctrace" else None)
        # THEN it ends the same, and its lines were saved
        assert last_words(target) == alone
        assert (agent.path / "snapshot").exists()


@pytest.mark.pythons("3.11", "3.14")
def test_while_it_is_traced(interpreter: Interpreter, launch: Launch) -> None:
    """A process that is traced ends, and prints, the same as without us."""
    # GIVEN its end without us
    alone = last_words(launch(interpreter, "at_the_end.py", "plain"))
    # WHEN it is traced until its end, THEN that is the same
    target = launch(interpreter, "at_the_end.py", "plain")
    with Inside(target) as agent:
        place = SessionFolder(agent.path, str(agent.path))
        connection = agent_client.asked(place, "trace", time.monotonic() + PATIENCE)
        assert last_words(target) == alone
        connection.close()


@pytest.mark.pythons("3.9", "3.14")
def test_where_files_may_not_grow(interpreter: Interpreter, launch: Launch) -> None:
    """A last snapshot that is larger than files may be is left out, and nobody hears of SIGXFSZ."""
    # GIVEN its end without us
    alone = last_words(launch(interpreter, "at_the_end.py", "plain"))
    # AND a target that is measured, and may not write a file of that size then
    target = launch(interpreter, "at_the_end.py", "plain")
    with Inside(target) as agent:
        agent.start()
        target.ask(f"__import__('ctypes').CDLL(None).signal({int(signal.SIGXFSZ)}, None)")
        target.ask("__import__('resource').setrlimit(1, (10, -1))")
        # WHEN it ends, THEN it does so as it would, without a snapshot
        assert last_words(target) == alone
        assert not (agent.path / "snapshot").exists()
