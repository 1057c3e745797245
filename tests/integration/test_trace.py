"""`covattach trace`: the calls that are made, all of them, in order, and no harm to the target."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
from conftest import Interpreter
from running import Covattach, Done, Target, wait_for

Launch = Callable[..., Target]
ALL = ("--max-overhead", "1000")  # nothing is left out to spare the target
LOTS = 7
EACH = 20 * LOTS  # rounds of each of two threads
CALLS = 2 * (2 * EACH + EACH // 7)  # `outer` and `inner`, and `generating` for each seventh


class Running:
    """A trace that has begun."""

    def __init__(self, covattach: Covattach, target: Target, *options: object) -> None:
        self.covattach = covattach
        self.popen = covattach.begin("trace", target.pid, *options)
        assert self.popen.stderr is not None
        said = ""
        while not said.startswith("Tracing "):
            said = self.popen.stderr.readline()
            assert said, "it has ended"

    def lines(self, number: int) -> list[str]:
        """Return the next lines that it prints."""
        assert self.popen.stdout is not None
        return [self.popen.stdout.readline() for _ in range(number)]

    def facts(self, number: int) -> list[dict[str, Any]]:
        """Return the next events, of `--json`."""
        return [json.loads(line) for line in self.lines(number)]

    def end(self, number: int = signal.SIGINT) -> Done:
        """Have it end by a signal; it must end well."""
        self.popen.send_signal(number)
        done = self.covattach.end(self.popen)
        assert done.code == 0, done.err
        assert "Traceback" not in done.err
        return done


def assert_left(target: Target, before: dict[str, Any]) -> None:
    """Fail unless the target is as it was, as soon as the agent has ended."""
    wait_for(lambda: target.traces()["threads"] == before["threads"], "the agent to end")
    target.assert_untouched(before)


def in_threads(calls: list[tuple[str, str]]) -> dict[str, list[str]]:
    """Return the functions that were called, in order, by threads."""
    found: dict[str, list[str]] = {}
    for thread, function in calls:
        found.setdefault(thread, []).append(function)
    return found


def assert_complete(trace: Running, target: Target) -> None:
    """Have the target call, and compare what is traced with the list that it keeps itself."""
    target.ask(f"begin({LOTS})")
    events = trace.facts(CALLS)
    kept = target.ask("calls")
    assert len(kept) == CALLS
    assert {event["event"] for event in events} == {"call"}
    assert {(event["module"], os.path.basename(event["file"])) for event in events} == {
        ("called", "called.py")
    }
    names = [(event["thread"], event["function"]) for event in events]
    assert in_threads(names) == in_threads([(thread, function) for thread, function, _ in kept])


@pytest.mark.pythons("3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15")
def test_every_call_of_a_module(
    interpreter: Interpreter, covattach: Covattach, launch: Launch
) -> None:
    """Filtered to one module: every call of its functions, in order, and none of others'."""
    # GIVEN a target with two threads that call functions of two modules
    target = launch(interpreter, "calling.py", "steady")
    before = target.residue()

    # WHEN it is traced, THEN it is what the target has noted itself
    trace = Running(covattach, target, "--include", "called.py", "--json", *ALL)
    assert_complete(trace, target)
    done = trace.end()

    # AND nothing is left
    assert f"{CALLS:,} calls shown, 0 dropped" in done.err
    assert done.out == ""
    assert_left(target, before)


@pytest.mark.pythons("3.9", "3.11", "3.12", "3.14")
def test_again_and_again(interpreter: Interpreter, covattach: Covattach, launch: Launch) -> None:
    """A trace hears of functions that the one before did not want to, and has silenced."""
    # GIVEN a target that was traced, and is not interested in `called`
    target = launch(interpreter, "calling.py", "steady")
    before = target.residue()
    trace = Running(covattach, target, "--function", "unwanted", "--returns", "--json", *ALL)
    target.ask("begin(1)")
    assert {event["function"] for event in trace.facts(80)} == {"unwanted"}
    trace.end()
    assert_left(target, before)
    assert target.ask("calls.clear()") is None

    # WHEN it is traced again, THEN nothing is missing
    trace = Running(covattach, target, "--include", "*/called.py", "--json", *ALL)
    assert_complete(trace, target)
    trace.end()
    assert_left(target, before)


@pytest.mark.pythons("3.11", "3.14")
def test_beside_a_session(interpreter: Interpreter, covattach: Covattach, launch: Launch) -> None:
    """A target that is measured goes on being measured while it is traced, and afterwards."""
    # GIVEN a target that is measured
    target = launch(interpreter, "calling.py", "steady")
    before = target.residue()
    covattach("start", target.pid)

    # WHEN it is traced, THEN nothing is missing
    trace = Running(covattach, target, "--include", "called.py", "--json", *ALL)
    assert_complete(trace, target)
    trace.end(signal.SIGTERM)

    # AND the session knows what ran during it, and goes on
    assert covattach("status", target.pid, "--json").facts[0]["alive"]
    covattach("dump", target.pid, "--format", "json", "--no-html")
    covattach("stop", target.pid, "--no-html")
    target.assert_untouched(before)


@pytest.mark.pythons("3.11", "3.14")
def test_a_session_that_stops(
    interpreter: Interpreter, covattach: Covattach, launch: Launch
) -> None:
    """With the session its trace ends, and says so."""
    # GIVEN a target that is measured and traced
    target = launch(interpreter, "calling.py", "steady")
    before = target.residue()
    covattach("start", target.pid)
    trace = Running(covattach, target, "--include", "called.py")

    # WHEN the session is stopped
    covattach("stop", target.pid, "--no-dump")

    # THEN the trace ends too
    done = covattach.end(trace.popen)
    assert done.code == 0
    assert "The session was stopped" in done.err
    assert_left(target, before)


@pytest.mark.pythons("3.9", "3.10", "3.11", "3.14")
def test_returns_and_arguments(
    interpreter: Interpreter, covattach: Covattach, launch: Launch
) -> None:
    """Ends of calls, of every kind, with values and times; and arguments."""
    # GIVEN a target
    target = launch(interpreter, "calling.py", "steady")

    # WHEN a thread of it is traced with all there is to know
    how = ("--returns", "--args", "--thread", "steady-1", "--include", "called.py", *ALL)
    trace = Running(covattach, target, "--json", *how)
    target.ask("begin(1)")
    events = trace.facts(90)
    trace.end()

    # THEN it is all there
    seen = [(event["event"], event["function"].split(".")[-1]) for event in events]
    assert seen[:4] == [
        ("call", "outer"),
        ("call", "inner"),
        ("return", "inner"),
        ("return", "outer"),
    ]
    seventh = [*seen[24:26], *seen[26:]][:10]
    assert seventh == [
        ("call", "outer"),
        ("call", "inner"),
        ("raise", "inner"),
        ("call", "generating"),
        ("yield", "generating"),
        ("resume", "generating"),
        ("yield", "generating"),
        ("resume", "generating"),
        ("return", "generating"),
        ("return", "outer"),
    ]
    assert [event["depth"] - events[0]["depth"] for event in events[:4]] == [0, 1, 1, 0]
    assert events[1]["arguments"] == "number=1, power=2"
    assert [event.get("value") for event in events[2:4]] == ["1", "1"]
    assert {event["thread"] for event in events} == {"steady-1"}
    assert events[3]["seconds"] >= events[2]["seconds"] > 0


@pytest.mark.pythons("3.9", "3.11", "3.12", "3.13", "3.15")
def test_hostile_arguments(interpreter: Interpreter, covattach: Covattach, launch: Launch) -> None:
    """No method of an argument is called, and no text reaches the terminal as it is."""
    # GIVEN a target, traced with arguments and returns
    target = launch(interpreter, "calling.py", "steady")
    how = ("--args", "--returns", "--function", "taking", *ALL)
    trace = Running(covattach, target, *how)

    # WHEN it passes objects that note what they are asked
    asked = target.ask("pass_hostile()")

    # THEN they are asked nothing, and named
    (call, _) = trace.lines(2)
    assert asked == []
    hostile = "<__main__.Hostile object>"
    shown = f"→ taking(one={hostile}, several=[{hostile}], *rest=(), text='\\x1b[31m{'x' * 35}'…"
    assert call.startswith(shown)
    trace.end()


@pytest.mark.pythons("3.11", "3.14")
def test_a_reader_that_sleeps(
    interpreter: Interpreter, covattach: Covattach, launch: Launch
) -> None:
    """With no filter and nobody who reads, the target goes on; the losses are counted and told."""
    # GIVEN a target that does nothing but call, and its trace
    target = launch(interpreter, "calling.py", "hot")
    before = target.residue()
    trace = Running(covattach, target)

    # WHEN covattach sleeps while its buffer fills
    trace.popen.send_signal(signal.SIGSTOP)
    for _ in range(5):
        number = target.ask("counted[0]")
        wait_for(lambda number=number: target.ask("counted[0]") > number + 5000, "it to go on")
    trace.popen.send_signal(signal.SIGCONT)
    done = trace.end()

    # THEN it is told what is missing, and what it has cost
    assert (
        int(done.err.partition(" calls shown, ")[2].partition(" dropped")[0].replace(",", "")) > 0
    )
    assert "of the target's time" in done.err
    assert " calls dropped --" in done.out or " calls shown" in done.err
    assert_left(target, before)


@pytest.mark.pythons("3.11", "3.14")
@pytest.mark.parametrize(
    ("options", "calls"),
    [(["--limit", 7], 7), (["--for", "0.3s"], None), (["--rate", 5, "--for", "0.5s"], 10)],
    ids=["limit", "for", "rate"],
)
def test_ends_by_itself(
    interpreter: Interpreter,
    options: list[object],
    calls: int | None,
    covattach: Covattach,
    launch: Launch,
) -> None:
    """After so many calls, or so long, a trace is over."""
    target = launch(interpreter, "calling.py", "hot")
    before = target.residue()

    done = covattach("trace", target.pid, *options)

    shown = [line for line in done.out.splitlines() if not line.startswith("--")]
    assert calls is None or 0 < len(shown) <= calls
    assert "--limit" not in options or len(shown) == calls
    assert_left(target, before)


@pytest.mark.pythons("3.11", "3.14")
def test_a_closed_pipe(interpreter: Interpreter, covattach: Covattach, launch: Launch) -> None:
    """`covattach trace PID | head -1` ends at once, well, and without a word about it."""
    target = launch(interpreter, "calling.py", "hot")
    before = target.residue()

    trace = Running(covattach, target)
    trace.lines(1)
    assert trace.popen.stdout is not None
    os.close(trace.popen.stdout.fileno())
    code = trace.popen.wait(30)
    assert trace.popen.stderr is not None
    said = trace.popen.stderr.read()

    assert (code, "Traceback" in said, "Error" in said) == (0, False, False)
    assert_left(target, before)


@pytest.mark.pythons("3.9", "3.11", "3.14")
@pytest.mark.parametrize("measured", [False, True], ids=["alone", "measured"])
def test_killed(
    interpreter: Interpreter, measured: bool, covattach: Covattach, launch: Launch
) -> None:
    """When covattach is killed, the target notices, and takes the hook off by itself."""
    # GIVEN a target that is traced, measured or not
    target = launch(interpreter, "calling.py", "hot")
    before = target.residue()
    if measured:
        covattach("start", target.pid)
    during = target.residue()
    trace = Running(covattach, target)

    # WHEN covattach is killed
    trace.popen.kill()
    covattach.end(trace.popen)

    # THEN the target is as before
    same = ("trace", "tools", "switch interval")
    wait_for(
        lambda: all(target.residue()[name] == during[name] for name in same), "the hook to be off"
    )
    if measured:
        covattach("stop", target.pid, "--no-dump")
    assert_left(target, before)


@pytest.mark.pythons("3.9", "3.11")
@pytest.mark.parametrize(
    ("how", "name"), [("setprofile", "__main__.glance"), ("cProfile", "cProfile.Profile")]
)
def test_profilers_are_left_alone(
    interpreter: Interpreter, how: str, name: str, covattach: Covattach, launch: Launch
) -> None:
    """A profiler that is active is named, and goes on."""
    # GIVEN a target with a profiler in one of its threads
    target = launch(interpreter, "company.py", how)
    if how == "cProfile":
        target.ask("profiler.enable()")

    # WHEN it is to be traced
    said = covattach.fails(5, "trace", target.pid)

    # THEN it is not
    assert f"a profiler is active: {name}" in said
    assert target.ask("profiled_on()")
    assert not target.folders


@pytest.mark.pythons("3.11", "3.14")
def test_forks(interpreter: Interpreter, covattach: Covattach, launch: Launch) -> None:
    """A child that is forked during a trace has no hook, and its parent is traced on."""
    # GIVEN a target that has forked before, about which Python may have warned it
    target = launch(interpreter, "calling.py", "steady")
    assert target.ask("forked()") == 0
    before = target.residue()

    # WHEN it forks while it is traced, THEN the child is not, and the parent is
    trace = Running(covattach, target, "--include", "called.py", "--json", *ALL)

    assert target.ask("forked()") == 0
    assert target.ask("calls") == []
    assert_complete(trace, target)
    trace.end()

    assert_left(target, before)
