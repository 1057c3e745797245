"""The owner and the program of a process, and checks that both are still as they were examined.

A process keeps its PID when it executes another program, one with more rights too (execve(2)), and
when it changes its user.  The code that we have it execute comes from a folder of the user that it
had.  So that user must have all rights of the process, and for good.  Both are compared once more
when the process can no longer change.  It is stopped then, or held by a descriptor of its memory,
which belongs to one program for ever.
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
EFFECTIVE = 1  # index of the effective id in those of `Standing.users`
# Capabilities that give access to nothing of other users: to bind low ports and send raw packets,
# to configure the network, to lock memory, to be scheduled first, to have more, to write to the
# audit log, to wake the machine.
HARMLESS = sum(1 << number for number in (10, 11, 12, 13, 14, 23, 24, 29, 35, 36))


@dataclass(frozen=True)
class Standing:
    """The users, groups and permitted capabilities of a process, and the address of its stack.

    `users` and `groups` have four ids each: real, effective, saved, and for files.  `further` are
    supplementary groups.  `permitted` are capabilities as bits.  `stack` is where its stack starts,
    which is new with each program (execve(2)); 0 where we may not see it.
    """

    users: tuple[int, ...]
    groups: tuple[int, ...]
    further: tuple[int, ...]
    permitted: int
    stack: int

    @classmethod
    def of(cls, folder: Path, status: dict[str, str]) -> Standing:
        """Return the present Standing of a process; raises OSError, ValueError.

        `folder` is its folder in /proc, `status` has the fields of its /proc/PID/status.
        """
        users, groups, further = (
            tuple(map(int, status.get(name, "").split())) for name in ("Uid", "Gid", "Groups")
        )
        stack = parse_start_stack(plain_files.text(folder / "stat"))
        return cls(users, groups, further, capabilities.parsed(status, "CapPrm"), stack)

    @property
    def owner(self) -> Owner:
        """The effective user with all groups, whose rights we access the process's files with."""
        return Owner(self.users[EFFECTIVE], self.groups[EFFECTIVE], self.further)

    @property
    def rights(self) -> tuple[object, ...]:
        """The users, groups and capabilities, which have to stay the same."""
        return self.users, self.groups, self.permitted

    def is_other_program(self, now: Standing) -> bool:
        """Whether `now`, a later Standing of the process, is that of another program."""
        return bool(self.stack and now.stack and self.stack != now.stack)


def check_whole(pid: int, standing: Standing, is_far: bool) -> None:
    """Raise NotNow, NotPossible if a process has, or can take on, more rights than its user.

    For that user can change the code executed in it.  Only code in a folder of root's nobody else
    can change.  `is_far` says that it is in another user namespace: its capabilities do not count
    here.
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
    """Raise NotNow if a process has become another program; with `rights`, also for other rights.

    `before` is its Standing when it was examined, `now` its present one.
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
    """Whether a process has any user id that is not our effective one."""
    return {os.geteuid()} != {*standing.users}
