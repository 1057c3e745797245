"""A fault of the agent's ends a session wholly or not at all, and is told."""

from __future__ import annotations

import pytest
from support.inside import Inside
from support.interpreters import Interpreter
from support.marks import marked
from support.targets import Launch, Target
from support.waiting import wait_for

from covattach.errors import PayloadFailed
from covattach.session import agent_client

AGENT = "sys.covattach.covattach"
STEPS = (
    "forks.agent",
    "master.uninstall",
    "tracing.stop",
    "tracing.close",
    "sigterm.uninstall",
    "recording.stop",
    "listener.close",
    "session.autosave.uninstall",
    "session.measurement.adoption.greenlet_tracers.stop",
    "session.measurement.adoption.codes.discard",
    "session.measurement.discard",
)
MEASURING = """[
    sys.gettrace(), threading._trace_hook,
    [sys.monitoring.get_tool(n) for n in range(6)] if hasattr(sys, "monitoring") else None,
    hasattr(sys, "covattach"),
]"""


def spoil(target: Target, step: str) -> None:
    """Have a step of the end fail, when it is called or before."""
    owner, _, name = f"{AGENT}.{step}".rpartition(".")
    target.ask(f"setattr({owner}, {name!r}, None)")


@pytest.mark.pythons("3.9", "3.14")
def test_a_step_of_the_end_fails(interpreter: Interpreter, launch: Launch) -> None:
    """Whichever step of the end fails, the others are done, and a new session can begin."""
    # GIVEN a target
    target = launch(interpreter, "mixture.py")
    before = target.traces()
    unmeasured = target.ask(" ".join(MEASURING.split()))
    for step in STEPS:
        with Inside(target) as agent:
            agent.start()

            # WHEN it is stopped, and a step of that fails
            spoil(target, step)
            try:
                agent.ask("stop")
            except (agent_client.NobodyThere, PayloadFailed):
                assert step.startswith(("session", "door")), step  # told by the reply, or its lack

            # THEN it is not measured any more, and no thread of ours is there
            wait_for(lambda: target.traces()["threads"] == before["threads"], f"the end: {step}")
            assert target.ask(" ".join(MEASURING.split())) == unmeasured, step

            # AND the fault is told, if it came to one after the reply
            if step != "forks.agent" and not step.startswith("session"):
                assert "TypeError" in (agent.path / "fault").read_text(), step

    # AND a session that follows is like any other
    with Inside(target) as agent:
        agent.start()
        agent.points_until("mixture.py", marked("mixture.py", "# on"))
        agent.stop()
