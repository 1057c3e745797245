"""Recording inside of a target: the order of entries, and an end by itself with who asked."""

from __future__ import annotations

import os

import pytest
from support.inside import Inside
from support.interpreters import Interpreter
from support.marks import marked
from support.targets import TARGETS, Launch
from support.waiting import wait_for

from covattach.errors import NotNow, PayloadFailed

SCRIPT = str(TARGETS / "ordered.py")
CORES = [
    pytest.param(core, branch, id=f"{core}-{'branches' if branch else 'lines'}")
    for core in ("ctrace", "sysmon")
    for branch in (False, True)
]


def hold(agent: Inside, name: str) -> int:
    """Make a lease, and return the descriptor that holds it."""
    os.mkfifo(agent.path / name)
    return os.open(agent.path / name, os.O_RDWR | os.O_CLOEXEC)


def entered(agent: Inside) -> list[str]:
    """End the recording; return the functions of the script that were entered, in their order."""
    reply = agent.ask("recorded")[0]
    assert not reply["is_full"]
    times = [ms for *_, ms in reply["entered"]]
    assert times == sorted(times)
    return [name.split(".")[-1] for file, _, name, _ in reply["entered"] if file == SCRIPT]


@pytest.mark.pythons("3.9", "3.12", "3.14", stress=("3.11", "3.13", "3.15"))
@pytest.mark.parametrize(("core", "branch"), CORES)
def test_order_is_that_of_the_first_entries(
    interpreter: Interpreter, core: str, branch: bool, launch: Launch
) -> None:
    """Each window has the order of its own, also of threads that start in it."""
    has_sysmon = interpreter.minor >= ((3, 14) if branch else (3, 12))
    if core == "sysmon" and not has_sysmon:
        core = "ctrace"
    # GIVEN a target that is measured, of which a function runs all the time
    target = launch(interpreter, "ordered.py")
    with Inside(target) as agent:
        agent.start(core, branch=branch)
        target.ask("run('first second')")

        # WHEN it is recorded twice
        for names in ("second third second first", "third second"):
            agent.ask("record", window=names)
            target.ask(f"run('{names}')")
            found = entered(agent)

            # THEN the order is that in which they were called, without those that were running
            expected = list(dict.fromkeys(["run", *names.split()]))
            shown = [name for name in found if not name.startswith("<") and name != "tick"]
            assert shown == expected
            # sysmon tells of lines: of a function that goes on, too, if it runs meanwhile.
            assert core == "sysmon" or "tick" not in found

        # AND when nobody records, nobody is asked
        asked = "[t.should_start_context for t in sys.covattach._collector.tracers]"
        if core == "ctrace":
            assert not any(target.ask(asked))
        assert agent.ask("status")[0]["window"] == ""
        agent.stop()


@pytest.mark.pythons("3.9", "3.13", "3.14")
def test_a_window_ends_with_its_lease(interpreter: Interpreter, launch: Launch) -> None:
    """Who dies while recording leaves a session behind that goes on in the window before."""
    # GIVEN a session, in a window, of which somebody records
    target = launch(interpreter, "ordered.py")
    with Inside(target) as agent:
        agent.start()
        agent.ask("mark", window="before")
        lease = hold(agent, "lease-1")
        agent.ask("record", window="ours", lease="lease-1")
        target.ask("run('first')")

        # WHEN another one wants to, THEN it is refused
        with pytest.raises(NotNow, match="another covattach is recording here"):
            agent.ask("record", window="other")

        # WHEN the first one dies
        os.close(lease)

        # THEN the window before goes on, with the lines that run now
        wait_for(lambda: agent.ask("status")[0]["window"] == "before", "the window to end")
        target.ask("run('second')")
        windows = agent.dump().windows
        second = marked("ordered.py", "# second")
        assert second <= windows["before"][SCRIPT]
        assert not second & windows["ours"][SCRIPT]
        descriptors = target.traces()["descriptors"].values()
        assert not any("lease" in link for link in descriptors)

        # AND somebody else can record, but not whoever has died already
        os.close(hold(agent, "lease-2"))
        with pytest.raises(PayloadFailed):
            agent.ask("record", window="late", lease="lease-2")
        agent.ask("record", window="next")
        target.ask("run('third first')")
        assert "third" in entered(agent)
        agent.stop()


@pytest.mark.pythons("3.9", "3.11", "3.13", "3.14")
@pytest.mark.parametrize("when", ["before it starts", "while it measures", "while it records"])
def test_a_session_ends_with_its_lease(interpreter: Interpreter, when: str, launch: Launch) -> None:
    """A session that was begun to record ends with its lease: unstarted, measuring or recording."""
    # GIVEN a target
    target = launch(interpreter, "ordered.py")
    before = target.residue()

    # WHEN the lease of a session is closed
    agent = Inside(target)
    lease = hold(agent, "lease")
    with agent:
        if when != "before it starts":
            agent.start()
        if when == "while it records":
            agent.ask("record", window="ours")
            target.ask("run('first')")
        os.close(lease)

        # THEN it ends by itself, and leaves no trace
        wait_for(lambda: not agent.path.exists(), "the session to end")
        wait_for(lambda: target.traces()["threads"] == before["threads"], "its thread to end")
        target.assert_untouched(before)
