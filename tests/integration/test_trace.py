"""`covattach trace`: the calls that are made, all of them, in order, and no harm to the target."""

from __future__ import annotations

import functools
import json
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.command import Covattach, Done
from support.interpreters import Interpreter
from support.targets import Launch, Target
from support.waiting import wait_for

Trace = Callable[..., "Running"]
ALL = ("--max-overhead", "off")  # nothing is left out to spare the target
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


@pytest.fixture
def trace(covattach: Covattach) -> Trace:
    """Begin a trace of a target, with options."""
    return functools.partial(Running, covattach)


@pytest.fixture
def steady(interpreter: Interpreter, launch: Launch) -> Iterator[Target]:
    """Return a target whose threads call when they are told to; nothing must be left in it."""
    target = launch(interpreter, "calling.py", "steady")
    assert target.ask("forked()") == 0  # Python may warn of the first fork
    yield from left_as_it_was(target)


@pytest.fixture
def hot(interpreter: Interpreter, launch: Launch) -> Iterator[Target]:
    """Return a target that does nothing but call; nothing must be left in it."""
    yield from left_as_it_was(launch(interpreter, "calling.py", "hot"))


def left_as_it_was(target: Target) -> Iterator[Target]:
    """Yield the target; fails unless it is then as it was, as soon as the agent has ended."""
    before = target.residue()
    yield target
    wait_for(lambda: target.traces()["threads"] == before["threads"], "the agent to end")
    target.assert_untouched(before)


def in_threads(calls: list[tuple[str, str]]) -> dict[str, list[str]]:
    """Return the functions that were called, in order, by threads."""
    found: dict[str, list[str]] = {}
    for thread, function in calls:
        found.setdefault(thread, []).append(function)
    return found


def assert_complete(running: Running, target: Target) -> None:
    """Have the target call functions; compare the trace with the list that it keeps itself."""
    target.ask(f"begin({LOTS})")
    events = running.facts(CALLS)
    kept = target.ask("calls")
    assert len(kept) == CALLS
    assert {event["event"] for event in events} == {"call"}
    assert {(event["module"], os.path.basename(event["file"])) for event in events} == {
        ("called", "called.py")
    }
    names = [(event["thread"], event["function"]) for event in events]
    assert in_threads(names) == in_threads([(thread, function) for thread, function, _ in kept])


@pytest.mark.pythons("3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15")
def test_every_call_of_a_module(steady: Target, trace: Trace) -> None:
    """Filtered to one module: every call of its functions, in order, and none of others'."""
    # WHEN a target with two threads that call functions of two modules is traced
    running = trace(steady, "--include", "called.py", "--json", *ALL)

    # THEN the trace equals the target's own list
    assert_complete(running, steady)
    done = running.end()
    assert f"{CALLS:,} calls shown, 0 dropped" in done.err
    assert done.out == ""


@pytest.mark.pythons("3.9", "3.12")
def test_again_and_again(steady: Target, trace: Trace) -> None:
    """A trace hears of functions that the one before did not want to, and has silenced."""
    # GIVEN a target that was traced, by somebody not interested in `called`
    running = trace(steady, "--function", "unwanted", "--returns", "--json", *ALL)
    steady.ask("begin(1)")
    assert {event["function"] for event in running.facts(80)} == {"unwanted"}
    running.end()
    assert steady.ask("calls.clear()") is None

    # WHEN it is traced again, THEN nothing is missing
    running = trace(steady, "--include", "*/called.py", "--json", *ALL)
    assert_complete(running, steady)
    running.end()


@pytest.mark.pythons("3.11", "3.14")
def test_beside_a_session(steady: Target, trace: Trace, covattach: Covattach) -> None:
    """A target that is measured goes on being measured while it is traced, and afterwards."""
    # GIVEN a target that is measured
    covattach("start", steady.pid)

    # WHEN it is traced, THEN nothing is missing
    running = trace(steady, "--include", "called.py", "--json", *ALL)
    assert_complete(running, steady)
    running.end(signal.SIGTERM)

    # AND the session goes on
    assert covattach("status", steady.pid, "--json").facts[0]["alive"]
    covattach("dump", steady.pid, "--format", "json", "--no-html")

    # WHEN the session is stopped, THEN a trace ends with it, and says so
    running = trace(steady, "--include", "called.py")
    covattach("stop", steady.pid, "--no-dump")
    done = covattach.end(running.popen)
    assert done.code == 0
    assert "The session was stopped" in done.err


@pytest.mark.pythons("3.11", "3.14")
def test_a_fault_of_ours(hot: Target, covattach: Covattach) -> None:
    """A trace that misses events, because our code fails in the target, does not end well."""
    # GIVEN a trace beside a session
    covattach("start", hot.pid)
    running = Running(covattach, hot, *ALL, "--for", "90s")

    # WHEN our code fails in the application's threads
    calls = "sys.covattach.covattach.tracing.calls"
    hot.ask(f"setattr({calls}.threads, 'number', None)")
    wait_for(lambda: hot.ask(f"repr({calls}.faults)") != "count(0)", "a fault")
    running.popen.send_signal(signal.SIGINT)
    done = covattach.end(running.popen)

    # THEN that is said, and in the exit code; nobody but us has noticed
    assert done.code == 7
    assert "missing in this trace" in done.err
    covattach("stop", hot.pid, "--no-dump")


@pytest.mark.pythons("3.9", "3.10", "3.11", "3.14")
def test_returns_and_arguments(steady: Target, trace: Trace) -> None:
    """Ends of calls, of every kind, with values and times; and arguments."""
    # WHEN a thread of a target is traced with all there is to know
    how = ("--returns", "--args", "--thread", "steady-1", "--include", "called.py", *ALL)
    running = trace(steady, "--json", *how)
    steady.ask("begin(1)")
    events = running.facts(90)
    running.end()

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


@pytest.mark.pythons("3.9", "3.11", "3.13")
def test_hostile_arguments(steady: Target, trace: Trace) -> None:
    """No method of an argument is called, and no text reaches the terminal as it is."""
    # GIVEN a target, traced with arguments and returns
    running = trace(steady, "--args", "--returns", "--function", "taking", *ALL)

    # WHEN it passes objects that note each use
    asked = steady.ask("pass_hostile()")

    # THEN they are not used, and are named
    (call, _) = running.lines(2)
    assert asked == []
    hostile = "<__main__.Hostile object>"
    shown = f"→ taking(one={hostile}, several=[{hostile}], *rest=(), text='\\x1b[31m{'x' * 35}'…"
    assert call.startswith(shown)
    running.end()


@pytest.mark.pythons("3.11", "3.14")
def test_a_reader_that_sleeps(hot: Target, trace: Trace) -> None:
    """With no filter and nobody who reads, the target goes on; the losses are counted and told."""
    # WHEN covattach sleeps while its buffer fills
    running = trace(hot)
    running.popen.send_signal(signal.SIGSTOP)
    for _ in range(5):
        number = hot.ask("counted[0]")
        wait_for(lambda number=number: hot.ask("counted[0]") > number + 5000, "it to go on")
    # and is to end before it has read what waits for it
    running.popen.send_signal(signal.SIGINT)
    done = running.end(signal.SIGCONT)

    # THEN the dropped calls and the cost are told
    dropped = done.err.partition(" calls shown, ")[2].partition(" dropped")[0]
    assert int(dropped.replace(",", "")) > 0
    assert "of the target's time; it was paused for" in done.err


@pytest.mark.pythons("3.11", "3.14")
def test_ends_by_itself(hot: Target, covattach: Covattach) -> None:
    """After so many calls, or so long, a trace is over; of each second there are only so many."""

    def calls(*options: object) -> int:
        shown = covattach("trace", hot.pid, *options).out.splitlines()
        return sum(not line.startswith("--") for line in shown)

    assert calls("--limit", 7) == 7
    assert calls("--for", "0.3s") > 0
    assert 0 < calls("--rate", 5, "--for", "0.5s") <= 10


@pytest.mark.pythons("3.11")
def test_of_nothing(steady: Target, covattach: Covattach) -> None:
    """A trace in which nothing came names the likely reasons."""
    said = covattach("trace", steady.pid, "--for", "0.3s").err
    assert "0 calls shown, 0 dropped" in said
    assert "Perhaps nothing was called" in said


@pytest.mark.pythons("3.11")
def test_by_name(interpreter: Interpreter, covattach: Covattach, launch: Launch) -> None:
    """`--name` stands for the PID of the one process that matches, and is refused for several."""
    name = f"ours-{os.getpid()}"
    target = launch(interpreter, "calling.py", "hot", name)
    done = covattach("trace", "--name", name, "--limit", 3)
    assert f"Tracing process {target.pid} " in done.err
    assert len(done.out.splitlines()) >= 3

    launch(interpreter, "calling.py", "hot", name)
    said = covattach.fails(2, "trace", "--name", name)
    assert "These are 2 processes, and a trace is of one." in said


@pytest.mark.pythons("3.11", "3.14")
def test_a_closed_pipe(hot: Target, trace: Trace) -> None:
    """`covattach trace PID | head -1` ends at once, and well; that is said, but is no error."""
    running = trace(hot)
    running.lines(1)
    assert running.popen.stdout is not None
    os.close(running.popen.stdout.fileno())
    code = running.popen.wait(30)
    assert running.popen.stderr is not None
    said = running.popen.stderr.read()

    assert (code, "Traceback" in said, "Error" in said) == (0, False, False)
    assert ", until the output was closed." in said


@pytest.mark.pythons("3.9", "3.14")
def test_killed(hot: Target, trace: Trace, covattach: Covattach) -> None:
    """When covattach is killed, the target notices, and takes the hook off by itself."""
    for is_measured in (False, True):
        # GIVEN a target that is traced, measured or not
        if is_measured:
            covattach("start", hot.pid)
        during = hot.residue()
        running = trace(hot)

        # WHEN covattach is killed
        running.popen.kill()
        covattach.end(running.popen)

        # THEN the target is as before
        for name in ("trace", "tools", "switch interval"):
            wait_for(lambda: hot.residue()[name] == during[name], f"the {name} to be gone")  # noqa: B023
    covattach("stop", hot.pid, "--no-dump")


@pytest.mark.pythons("3.11")
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
def test_forks(steady: Target, trace: Trace) -> None:
    """A child that is forked during a trace has no hook, and its parent is traced on."""
    running = trace(steady, "--include", "called.py", "--json", *ALL)
    assert steady.ask("forked()") == 0
    assert steady.ask("calls") == []
    assert_complete(running, steady)
    running.end()
