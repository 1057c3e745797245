"""Kills of covattach, or of its gdb, in the middle of an attach, and checks of the target."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field

from support.command import Covattach
from support.targets import Target, descendants
from support.waiting import wait_for

SEED = 20261
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)


@dataclass
class Tally:
    """Counts of kills by kind, which is victim and signal, and by outcome."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, kind: str, *what: str) -> None:
        """Count the outcomes `what` of one kill of the kind `kind`."""
        self.counts.update((kind, one) for one in what)

    def __str__(self) -> str:
        columns = ("kills", "traced", "complete", "deaths")
        kinds = sorted({kind for kind, _ in self.counts})
        rows = [" | ".join(("who and what", *columns))]
        rows += [" | ".join((k, *(str(self.counts[k, c]) for c in columns))) for k in kinds]
        return "\n".join(rows)


@dataclass(frozen=True)
class Undisturbed:
    """Seconds that an attach takes without a kill: the whole of it, and the life of its gdb."""

    whole: float
    gdb: float


def gdb_of(pid: int) -> int | None:
    """Return the PID of the gdb that the covattach `pid` has started, or None."""
    for child in descendants(pid):
        try:
            with open(f"/proc/{child}/comm") as comm:
                if comm.read().strip() == "gdb":
                    return child
        except OSError:
            continue
    return None


def undisturbed(covattach: Covattach, target: Target, *how: str) -> Undisturbed:
    """Attach and stop once, without a kill; return how long it took."""
    began, life = time.monotonic(), [0.0, 0.0]
    popen = covattach.begin("start", target.pid, *how)
    while popen.poll() is None:
        if gdb_of(popen.pid) is not None:
            life = [life[0] or time.monotonic(), time.monotonic()]
    found = Undisturbed(time.monotonic() - began, life[1] - life[0])
    assert covattach.end(popen).code == 0
    covattach("stop", target.pid, "--no-dump")
    return found


def kill(
    covattach: Covattach,
    target: Target,
    how: tuple[str, ...],
    victim: str,
    number: signal.Signals,
    after: float,
) -> tuple[str, ...]:
    """Attach, and send a signal to `victim`, `after` seconds from its start; return the outcomes.

    `how` are options of `start`.  `victim` is "gdb", or anything else for covattach.
    """
    popen = covattach.begin("start", target.pid, *how)
    pid: int | None = popen.pid
    if victim == "gdb":
        wait_for(lambda: gdb_of(popen.pid) or popen.poll() is not None, "gdb to be started")
        pid = gdb_of(popen.pid)
    at = time.monotonic() + after
    while time.monotonic() < at:
        continue
    found = ["kills"]
    if target.status("TracerPid") != "0":
        found.append("traced")
    if pid is not None and popen.poll() is None:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            found.append("complete")
    done = covattach.end(popen)
    if done.code == 0:
        found.append("complete")
        covattach("stop", target.pid, "--no-dump")
    return tuple(dict.fromkeys(found))


def is_dead(target: Target) -> bool:
    """Whether the target has ended; first waits until it has, or runs untraced."""
    wait_for(lambda: target.popen.poll() is not None or target.is_well(), "the target to run")
    return target.popen.poll() is not None


def assert_good_as_new(covattach: Covattach, target: Target, *how: str) -> None:
    """Fail unless the target runs, answers, and can be measured again without anything left."""
    assert target.ask("1 + 1") == 2
    covattach("start", target.pid, *how)
    covattach("stop", target.pid, "--no-dump")
    assert not target.folders
    assert target.is_well()


def instants(seed: object, longest: float) -> list[float]:
    """Return random times from 0 to `longest`, one for each signal; prints the seed."""
    print(f"seed {SEED} {seed}")
    draw = random.Random(f"{SEED} {seed}")  # noqa: S311  not for secrets
    return [draw.uniform(0, longest) for _ in SIGNALS]
