"""The users that a process is or can become; those with the fewest rights count.

A process has a real, an effective and a saved user (credentials(7)).  Rights that it has dropped,
or could take on, show in these.  Somebody who controls the process may have the rights of any one
of these users only.
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
    """Return the users of a process that `least` leaves.

    A file that the process names is shown only if all these users may read it.  Raises NoTarget if
    the process has ended.
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
    """Whether a root process may read fewer files than we may, by capabilities or user namespace.

    `status` has the fields of its /proc/PID/status.
    """
    ours = capabilities.parsed(ptrace_permission.own_status(), "CapEff") & capabilities.OVER_FILES
    # A root with another effective user still has its capabilities as permitted ones.
    kind = "CapEff" if int(status["Uid"].split()[1]) == ROOT else "CapPrm"
    if ours & ~capabilities.parsed(status, kind):
        return True
    try:
        return not process.shares("user")
    except OSError:  # we may not look at its namespace
        return True


def least(owners: Iterable[Owner]) -> tuple[Owner, ...]:
    """Return the users of `owners` whose rights decide if all of them have to be allowed something.

    A root that is not bare may do all that others may, and is left out if there are others.  A user
    that occurs with different groups gets those that are in all of them.
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
    """Return user `one` with the further groups that the same user and group has in `others`.

    Without such a user, returns `one` as it is.
    """
    same = [other for other in others if (other.uid, other.gid) == (one.uid, one.gid)]
    return replace(one, groups=same[0].groups) if same else one


def are_us(owners: Iterable[Owner]) -> bool:
    """Whether all `owners` are our own effective user, and none is bare."""
    return all(one.uid == os.geteuid() and not one.is_bare for one in owners)


def now(pid: int, start_time: object) -> tuple[Owner, ...]:
    """Return the users of the process with this PID and start time; () if it has ended."""
    try:
        process = Process(pid)
        return of_process(process) if process.start_time == start_time else ()
    except (CovattachError, OSError):
        return ()
