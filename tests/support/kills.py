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
    """Counts of the kills, by victim and signal."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, kind: str, *what: str) -> None:
        """Count all that is true of one kill."""
        self.counts.update((kind, one) for one in what)

    def __str__(self) -> str:
        columns = ("kills", "traced", "complete", "deaths")
        kinds = sorted({kind for kind, _ in self.counts})
        rows = [" | ".join(("who and what", *columns))]
        rows += [" | ".join((k, *(str(self.counts[k, c]) for c in columns))) for k in kinds]
        return "\n".join(rows)


@dataclass(frozen=True)
class Undisturbed:
    """How long things take, in seconds: the whole attach, and the life of its gdb."""

    whole: float
    gdb: float


def gdb_of(pid: int) -> int | None:
    """Return the gdb that this covattach has started."""
    for child in descendants(pid):
        try:
            with open(f"/proc/{child}/comm") as comm:
                if comm.read().strip() == "gdb":
                    return child
        except OSError:
            continue
    return None


def undisturbed(covattach: Covattach, target: Target, *how: str) -> Undisturbed:
    """Attach once, and stop, with nobody in the way."""
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
    """Send a signal `after` seconds from its victim's start; return the tally's entries for it."""
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
    """Whether the target has ended; waits until nobody traces it."""
    wait_for(lambda: target.popen.poll() is not None or target.is_well(), "the target to run")
    return target.popen.poll() is not None


def assert_good_as_new(covattach: Covattach, target: Target, *how: str) -> None:
    """Fail unless it runs, answers, can be measured again, and then nothing is left."""
    assert target.ask("1 + 1") == 2
    covattach("start", target.pid, *how)
    covattach("stop", target.pid, "--no-dump")
    assert not target.folders
    assert target.is_well()


def instants(seed: object, longest: float) -> list[float]:
    """Return an instant for each signal, drawn uniformly; the seed is printed."""
    print(f"seed {SEED} {seed}")
    draw = random.Random(f"{SEED} {seed}")  # noqa: S311  not for secrets
    return [draw.uniform(0, longest) for _ in SIGNALS]
