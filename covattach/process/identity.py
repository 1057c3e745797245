"""The owner and the program of a process: as it was looked at, so it must still be.

A process keeps its PID when it becomes another program, one with more rights too (execve(2)), and
when it becomes another user.  The code executed in it comes from a folder of the user that it was.
So that user must have all its rights, and for good.  Both are compared once more by whoever has the
process in hand.  It is stopped then, or held by a descriptor of its memory, which is one program's
for ever.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from covattach.errors import NotNow, NotPossible
from covattach.process import capabilities, plain_files
from covattach.process.owner import Owner
from covattach.process.procfs import parse_start_stack

ROOT = 0
EFFECTIVE = 1  # of the real, effective, saved one, and that for files
# Capabilities that give nobody what is another user's: to bind low ports and send raw packets, to
# configure the network, to lock memory, to be scheduled first, to have more, to write to the audit
# log, to wake the machine.
HARMLESS = sum(1 << number for number in (10, 11, 12, 13, 14, 23, 24, 29, 35, 36))


@dataclass(frozen=True)
class Standing:
    """The users and groups of a process, four each, the capabilities it may take on, and its stack.

    `further` are more groups.  `stack` is where its stack starts, which is new with each program
    (execve(2)); 0 where we may not see it.
    """

    users: tuple[int, ...]
    groups: tuple[int, ...]
    further: tuple[int, ...]
    permitted: int
    stack: int

    @classmethod
    def of(cls, folder: Path, status: dict[str, str]) -> Standing:
        """Return that of the process with this folder in /proc, now; raises OSError, ValueError."""
        users, groups, further = (
            tuple(map(int, status.get(name, "").split())) for name in ("Uid", "Gid", "Groups")
        )
        stack = parse_start_stack(plain_files.text(folder / "stat"))
        return cls(users, groups, further, capabilities.parsed(status, "CapPrm"), stack)

    @property
    def owner(self) -> Owner:
        """Its user with all groups, whose rights are all that its files are looked at with."""
        return Owner(self.users[EFFECTIVE], self.groups[EFFECTIVE], self.further)

    @property
    def rights(self) -> tuple[object, ...]:
        """The rights that are to stay the same, in any program that it runs."""
        return self.users, self.groups, self.permitted

    def is_other_program(self, now: Standing) -> bool:
        """Whether it has become another program since."""
        return bool(self.stack and now.stack and self.stack != now.stack)


def check_whole(pid: int, standing: Standing, is_far: bool) -> None:
    """Raise NotNow, NotPossible for a process that has, or can take on, more than its user has.

    Whoever is that user can change the code executed in it.  Root's folder nobody else can change.
    `is_far`: it is in another user namespace, where capabilities are over nothing of ours.
    """
    user = standing.users[EFFECTIVE]
    if user == ROOT:
        return
    kind, others = "user", sorted({*standing.users} - {user})
    if not others:
        kind, others = "group", sorted({*standing.groups} - {standing.groups[EFFECTIVE]})
    if others:
        raise NotNow(
            f"Process {pid} is user {user} for a while, and {kind} {others[0]} as well: user {user}"
            " could have it execute anything as that.",
            "Attach when it is one user only, real, effective and saved: see `ps -o"
            f" ruid,euid,suid,rgid,egid,sgid {pid}`.",
        )
    if standing.permitted & ~HARMLESS and not is_far:
        raise NotPossible(
            f"Process {pid} has more rights than its user {user} (capabilities"
            f" {standing.permitted:#x}), who could have it execute anything with them.",
            "Start it as root, or without these capabilities.",
        )


def check_same(pid: int, before: Standing, now: Standing, rights: bool) -> None:
    """Raise NotNow for a process that has become another program, or with `rights`, another user's.

    What was looked at until then was not this one.
    """
    if before.is_other_program(now):
        raise NotNow(
            f"Process {pid} has just become another program; it runs on untouched.", "Try again."
        )
    if rights and before.rights != now.rights:
        raise NotNow(
            f"Process {pid} has just become another user, or got other rights; it runs on"
            " untouched.",
            "Try again.",
        )


def is_somebody_elses(standing: Standing) -> bool:
    """Whether a process belongs to another user than we are."""
    return {os.geteuid()} != {*standing.users}
