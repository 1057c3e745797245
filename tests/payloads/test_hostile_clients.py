"""Clients that are slow, silent, or send garbage: they block neither the agent nor the target."""

from __future__ import annotations

import contextlib
import json
import random
import select
import socket
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.inside import Inside
from support.interpreters import Interpreter
from support.targets import Launch, Target
from support.waiting import wait_for

ASK = json.dumps({"verb": "dump", "protocol": 1}).encode() + b"\n"


@contextmanager
def callers(agent: Inside, number: int) -> Iterator[list[socket.socket]]:
    """Connect so many clients."""
    found = [socket.socket(socket.AF_UNIX) for _ in range(number)]
    try:
        for one in found:
            one.connect(str(agent.path / "agent.sock"))  # waits for a place
            one.settimeout(30)
        yield found
    finally:
        for one in found:
            one.close()


def answer_to(caller: socket.socket) -> tuple[dict[str, object], bytes]:
    """Return the header and the body of the reply to a client."""
    with caller.makefile("rb") as file:
        header = json.loads(file.readline())
        return header, file.read()


@pytest.mark.pythons("3.9", "3.14")
def test_slow_clients_keep_nobody_waiting(interpreter: Interpreter, launch: Launch) -> None:
    """A dump is answered before clients that came earlier, and have not asked to the end."""
    # GIVEN an agent, clients who say nothing, and one who has said half of it
    target = launch(interpreter, "idle.py", "event")
    with Inside(target) as agent:
        agent.start()
        with callers(agent, 6) as (slow, *_):
            slow.sendall(ASK[:10])

            # WHEN somebody else wants a dump
            agent.dump()

            # THEN they have it before the time of the slow one is over
            slow.sendall(ASK[10:])
            assert answer_to(slow)[0]["kind"]

        # AND those who are too many have to go, but not those who ask
        with callers(agent, 14) as waiting, callers(agent, 4):
            agent.dump()
            assert waiting[0].recv(1) == b""
        agent.stop()


@pytest.mark.pythons("3.9", "3.14")
def test_a_slow_reader_keeps_nobody_waiting(
    interpreter: Interpreter, launch: Launch, tmp_path: Path
) -> None:
    """A reply that is not taken is sent on when it is; the others are answered meanwhile."""
    # GIVEN a target that has executed more than a socket holds
    script = tmp_path / "long.py"
    script.write_text("x = 1\n" * 40_000)
    target = launch(interpreter, "idle.py", "event")
    with Inside(target) as agent:
        agent.start()
        target.ask(f"exec(compile(open({str(script)!r}).read(), {str(script)!r}, 'exec'), {{}})")
        with callers(agent, 1) as (slow,):
            # WHEN a client asks for it, and does not read
            slow.sendall(ASK)
            wait_for(lambda: slow.recv(1, socket.MSG_PEEK), "the beginning of the reply")

            # THEN another one is answered, and the slow one has it all in the end
            assert len(agent.dump().files[str(script)]) == 40_000
            header, blob = answer_to(slow)
            assert len(blob) == header["blob"]
        agent.stop()


@pytest.mark.pythons("3.9", "3.14")
def test_no_descriptor_is_left(interpreter: Interpreter, launch: Launch) -> None:
    """A target that has used up its descriptors can still be dumped, and goes on."""
    # GIVEN a measured target that may not open anything any more
    target = launch(interpreter, "idle.py", "event")
    before = target.residue()
    with Inside(target) as agent:
        agent.start()
        limit = "__import__('resource').setrlimit(7, ({0}, 4096))"
        target.ask(limit.format("len(os.listdir('/proc/self/fd')) - 1"))
        opened = "os.open('/dev/null', 0)"
        wait_for(lambda: "(24," in str(target.ask(opened)), "no descriptor is left")

        # WHEN it is dumped, again and again, THEN it answers
        for _ in range(3):
            target.ask("later()")
            assert agent.dump().files

        # AND when it has some again, nothing is left of us
        target.ask(limit.format("1024"))
        agent.stop()
    wait_for(lambda: target.traces()["threads"] == before["threads"], "the end")
    left = target.traces()["descriptors"].values()
    assert sorted(set(left) - {"/dev/null"}) == sorted(set(before["descriptors"].values()))


def garbage(chance: random.Random) -> bytes:
    """Return something that is more or less like a request."""
    good = b'{"verb": "status", "protocol": 1, "reset": true, "window": "w"}\n'
    kind = chance.randrange(5)
    if kind == 0:
        return chance.randbytes(chance.randrange(200))
    if kind == 1:
        return good[: chance.randrange(len(good))]
    if kind == 2:
        return b"[" * chance.randrange(1000) + b"\n"
    at = chance.randrange(len(good) - 1)
    return good[:at] + chance.randbytes(1) + good[at + 1 :]


def send_garbage(agent: Inside, number: int) -> int:
    """Send so many pieces of garbage; return how many were answered."""
    chance, answered = random.Random(number), 0  # noqa: S311  the same garbage every time
    for _ in range(number):
        with callers(agent, 1) as (caller,):
            try:
                caller.sendall(garbage(chance))
                caller.shutdown(socket.SHUT_WR)
                answered += bool(caller.recv(1))
            except (BrokenPipeError, ConnectionResetError):
                continue  # it has heard enough
    return answered


@pytest.mark.pythons("3.9", "3.14")
def test_garbage(interpreter: Interpreter, launch: Launch) -> None:
    """Garbage is answered as such, and the session goes on as if there had been none."""
    # GIVEN a measured target, WHEN its agent is sent garbage
    target = launch(interpreter, "idle.py", "event")
    with Inside(target) as agent:
        agent.start()
        assert send_garbage(agent, 40) > 30

        # THEN it measures as before
        target.ask("later()")
        assert agent.dump().files
        agent.stop()


def pace(target: Target, doing: Callable[[], object]) -> float:
    """Return how often a second the target goes round while something is being done."""
    rounds, began = target.ask("now()")
    doing()
    further, ended = target.ask("now()")
    return float(further - rounds) / float(ended - began)


def flood(agent: Inside, number: int) -> int:
    """Try to send so many pieces, waiting for nothing; return how many got in."""
    chance, let_in = random.Random(number), 0  # noqa: S311
    for _ in range(number):
        with socket.socket(socket.AF_UNIX) as caller, contextlib.suppress(OSError):
            caller.setblocking(False)
            caller.connect(str(agent.path / "agent.sock"))
            let_in += 1
            caller.send(garbage(chance))
        select.select([], [], [], 0.0005)  # what tries costs the processors, too
    return let_in


@pytest.mark.stress
@pytest.mark.timeout(900)
@pytest.mark.pythons("3.9", "3.11", "3.14")
def test_garbage_does_not_slow_the_target(interpreter: Interpreter, launch: Launch) -> None:
    """20,000 pieces of garbage take less than 5 % of the throughput of a target that is busy."""
    # GIVEN a measured target that counts how often it has gone round
    target = launch(interpreter, "counting.py")
    with Inside(target) as agent:
        agent.start(include=["/nowhere"])
        time.sleep(1)

        # WHEN its agent is sent garbage, a tenth at a time, and left in peace in between
        quiet, loud = [], []
        for _ in range(10):
            quiet.append(pace(target, lambda: time.sleep(3)))
            loud.append(pace(target, lambda: flood(agent, 2000)))
            print(f"{interpreter.id}: {loud[-1] / quiet[-1]:.3f} of the rounds", flush=True)
        share = statistics.median(loud) / statistics.median(quiet)
        print(f"{interpreter.id}: {share:.3f} in the median")

        # THEN it goes round as often, and answers who asks
        assert share > 0.95
        assert agent.dump().kind
        agent.stop()
