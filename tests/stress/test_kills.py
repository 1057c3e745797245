"""Kills of covattach and of its gdb, at any instant: the target does not even notice."""

from __future__ import annotations

import os
import signal
import time
from functools import partial

import pytest
from support.command import Covattach
from support.interpreters import Interpreter, newest
from support.kills import SIGNALS, Tally, assert_good_as_new, instants, is_dead, kill, undisturbed
from support.targets import Launch
from support.waiting import wait_for

from covattach.errors import NotNow
from covattach.injector import gdb as by_gdb
from covattach.injector.gdb_driver import Gdb, GdbError
from covattach.injector.x86_64 import detour
from covattach.injector.x86_64.support import REGISTERS
from covattach.process.interpreter import find_interpreter
from covattach.process.memory import Memory, open_memory
from covattach.process.process import Process

pytestmark = [pytest.mark.stress, pytest.mark.timeout(3600)]
WAYS = (
    ("3.9", "gdb"),
    ("3.11", "gdb"),
    ("3.13", "gdb"),
    ("3.14", "gdb"),
    ("3.14", "remote-exec"),
)
STATES = ("allocating", "copying", "reading", "sleep-beside")
ROUNDS = 2  # with the victims, signals, states and ways: 216 kills
AIMED = 25  # with the places, states and versions: 200 kills


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(("minor", "method"), WAYS)
def test_random_instants(
    minor: str, method: str, state: str, covattach: Covattach, launch: Launch
) -> None:
    """SIGINT, SIGTERM and SIGKILL at random instants: no death, and the next attach works."""
    # GIVEN a target, and how long an attach to it takes
    how = ("--method", method)
    if method == "remote-exec" and state == "reading":
        state = "reading-beside"  # it waits for a thread that runs
    target = launch(newest(minor), "states.py", state)
    usual = undisturbed(covattach, target, *how)
    tally = Tally()
    victims = {"covattach": usual.whole, "gdb": usual.gdb}
    if method == "remote-exec":
        del victims["gdb"]

    # WHEN somebody is killed at any instant of it
    for number in range(ROUNDS):
        for victim, longest in victims.items():
            drawn = instants((minor, method, state, victim, number), longest)
            for which, after in zip(SIGNALS, drawn, strict=True):
                found = kill(covattach, target, how, victim, which, after)
                dead = is_dead(target)
                tally.add(f"{victim} {which.name}", *found, *(["deaths"] if dead else []))

                # THEN the target lives, and can be measured
                print(tally)
                assert not dead
                assert_good_as_new(covattach, target, *how)


class Mortal(Gdb):
    """A gdb that is killed at a given place: before or after the one register is changed."""

    place = "after"

    def command(self, text: str, deadline: float) -> list[str]:
        """Send a command, but die at the one that sends the thread on its way."""
        first, _, _ = text.partition("\n")
        if not first.startswith("set $rip"):
            return super().command(text, deadline)
        if self.place == "after":
            super().command(first, deadline)
        os.kill(self.popen.pid, signal.SIGKILL)
        self.popen.wait()
        raise GdbError("gdb has ended")


@pytest.mark.parametrize("minor", ["3.9", "3.13"])
@pytest.mark.parametrize("state", ["allocating", "reading"])
@pytest.mark.parametrize("place", ["before", "after"])
def test_aimed(minor: str, state: str, place: str, launch: Launch) -> None:
    """SIGKILL of gdb right where a call would be in progress: the thread finds home by itself."""
    # GIVEN a target
    target = launch(newest(minor), "states.py", state)
    process = Process(target.pid)
    interpreter = find_interpreter(process)
    inside = 0.0
    began = time.monotonic()

    for _ in range(AIMED):
        # WHEN gdb is killed before or after it has sent the thread on its way
        deadline = time.monotonic() + 30
        with open_memory(process) as memory:
            way = detour.find(process, interpreter, memory)
        with Mortal(REGISTERS) as gdb:
            gdb.place = place
            with pytest.raises(NotNow):
                by_gdb.GdbInjection(
                    gdb, process, interpreter, way, lambda _: b"0", deadline
                ).by_detour()
        left = time.monotonic()

        # THEN the thread has not left, or is home again
        wait_for(target.is_well, "the target to run")
        with open_memory(process) as memory:
            if place == "after":
                wait_for(partial(is_home, way, memory), "the thread to be home")
            else:
                assert way.state(memory) == detour.PLACED
            inside += time.monotonic() - left
            way.clear(memory)
        assert target.ask("1 + 1") == 2
    took = time.monotonic() - began
    print(f"{AIMED} kills, 0 deaths; inside for {1000 * inside:.0f} of {1000 * took:.0f} ms")


def is_home(way: detour.Detour, memory: Memory) -> bool:
    """Whether the thread has come back."""
    return way.state(memory) == detour.HOME


@pytest.mark.pythons("3.9", "3.11", "3.13")
@pytest.mark.parametrize("state", ["allocating", "reading"])
def test_while_traced(
    interpreter: Interpreter, state: str, covattach: Covattach, launch: Launch
) -> None:
    """SIGKILL of gdb while it attaches, stops or lets go: no death, and nobody stays stopped."""
    target = launch(interpreter, "states.py", state)
    for number in range(AIMED):
        # GIVEN an attach, WHEN gdb is killed while it traces the target
        popen = covattach.begin("start", target.pid)
        wait_for(
            lambda popen=popen: target.status("TracerPid") != "0" or popen.poll() is not None,
            "gdb to attach",
        )
        at = time.monotonic() + number * 0.0005
        while time.monotonic() < at:
            continue
        tracer = int(target.status("TracerPid"))
        if tracer:
            os.kill(tracer, signal.SIGKILL)
        done = covattach.end(popen)

        # THEN it runs, and the error says what happened
        assert not is_dead(target)
        assert done.code in (0, 5), done.err
        assert_good_as_new(covattach, target) if done.code else covattach(
            "stop", target.pid, "--no-dump"
        )
