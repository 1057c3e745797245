"""The users that a process could be at this moment; those with the least rights count.

A process has a real, an effective and a saved user (credentials(7)).  Rights that it has dropped,
or could take on, show in these.  Whoever controls the process may have the rights of any one of
them only.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace

from covattach.errors import CovattachError
from covattach.process import capabilities, ptrace_permission
from covattach.process.owner import Owner
from covattach.process.process import Process

ROOT = 0


def of_process(process: Process) -> tuple[Owner, ...]:
    """Return the users of a process; a file shown on its word must be readable by all of them.

    Raises NoTarget where it has ended.
    """
    status = process.status
    users, groups = (list(map(int, status[name].split())) for name in ("Uid", "Gid"))
    further = tuple(sorted(map(int, status.get("Groups", "").split())))
    bare = is_bare(process, status)
    return least(
        Owner(uid, gid, further, is_bare=bare and uid == ROOT)
        for uid, gid in zip(users, groups, strict=True)
    )


def is_bare(process: Process, status: dict[str, str]) -> bool:
    """Whether its root may read fewer files than ours, by capabilities or the user namespace."""
    ours = capabilities.parsed(ptrace_permission.own_status(), "CapEff") & capabilities.OVER_FILES
    # One who is another for a while has them still, and may take them on again.
    kind = "CapEff" if int(status["Uid"].split()[1]) == ROOT else "CapPrm"
    if ours & ~capabilities.parsed(status, kind):
        return True
    try:
        return not process.shares("user")
    except OSError:  # we may not even look
        return True


def least(owners: Iterable[Owner]) -> tuple[Owner, ...]:
    """Return the users that decide when all have to be allowed something.

    Root may do what any other may.  Of one user with different groups, those count that are in all.
    """
    found: dict[tuple[int, int, bool], Owner] = {}
    for one in owners:
        key = one.uid, one.gid, one.is_bare
        known = found.get(key, one)
        groups = tuple(group for group in known.groups if group in one.groups)
        found[key] = replace(one, groups=groups)
    whole = [one for one in found.values() if one.uid == ROOT and not one.is_bare]
    others = [one for one in found.values() if one not in whole]
    return tuple(sorted(others or whole[:1], key=lambda one: (one.uid, one.gid)))


def with_groups(one: Owner, others: Iterable[Owner]) -> Owner:
    """Return a user with the further groups that the same user has among the others."""
    same = [other for other in others if (other.uid, other.gid) == (one.uid, one.gid)]
    return replace(one, groups=same[0].groups) if same else one


def are_us(owners: Iterable[Owner]) -> bool:
    """Whether these are all ourselves, with no fewer rights."""
    return all(one.uid == os.geteuid() and not one.is_bare for one in owners)


def now(pid: int, start_time: object) -> tuple[Owner, ...]:
    """Return the users of a process that is known by its PID and start time; () if it has ended."""
    try:
        process = Process(pid)
        return of_process(process) if process.start_time == start_time else ()
    except (CovattachError, OSError):
        return ()
