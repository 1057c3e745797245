"""Signals that come in during an attach: none is lost, none ends the target."""

from __future__ import annotations

import os
import select
import signal
import threading
from collections import Counter

import pytest
from support.command import Covattach
from support.interpreters import Interpreter
from support.targets import Launch
from support.waiting import PATIENCE

SENT = (signal.SIGINT, signal.SIGUSR1, signal.SIGWINCH, signal.SIGRTMIN)


class Pinger(threading.Thread):
    """Sends one signal after the other, each when the one before has arrived."""

    def __init__(self, pid: int, arrivals: int) -> None:
        super().__init__(daemon=True)
        self.pid = pid
        self.arrivals = arrivals
        self.over = threading.Event()
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []

    def run(self) -> None:
        """Send, until told that it is over, or something else has arrived."""
        while not self.over.is_set() and not self.wrong:
            for number in SENT:
                os.kill(self.pid, number)
                came = self.arrived()
                if came != bytes([number]):
                    self.wrong.append(f"{number.name} was sent, and {list(came)} came")
                    break
                self.counts[number.name] += 1

    def arrived(self) -> bytes:
        """Return the numbers that the target has written, b"" where it has not in time.

        One is ours: when SIGTERM is given back, `interrupt_main` writes it without a signal.
        """
        came = b""
        while not came and select.select([self.arrivals], [], [], PATIENCE)[0]:
            came = os.read(self.arrivals, 100).replace(bytes([signal.SIGTERM]), b"")
        return came


@pytest.mark.pythons("3.11")
@pytest.mark.parametrize("state", ["busy", "idle"])
def test_none_is_lost(
    interpreter: Interpreter, state: str, covattach: Covattach, launch: Launch
) -> None:
    """Each signal reaches the target's handler, also those that arrive while it is stopped."""
    # GIVEN a target that is sent signals all the time
    reading, writing = os.pipe()
    target = launch(interpreter, "pinged.py", writing, state, pass_fds=[writing])
    pinger = Pinger(target.pid, reading)
    pinger.start()

    # WHEN it is attached to by gdb, and left, again and again
    for _ in range(3):
        covattach("start", target.pid, "--method", "gdb")
        assert target.ask("later()")
        covattach("stop", target.pid, "--no-dump")

    # THEN each has arrived, once
    pinger.over.set()
    pinger.join()
    os.close(reading)
    os.close(writing)
    print(pinger.counts)
    assert not pinger.wrong
    assert all(pinger.counts[number.name] for number in SENT)
