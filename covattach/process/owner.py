"""Acting with the rights of a target's user, for a while.

A folder's owner can change it between any two steps of root in it.  So root takes these steps with
the rights of that user: the kernel then refuses every step that the user could not take.  New files
belong to that user.  The agent, too, sees that user as the one who asks, also where a user
namespace has no name for our root.
"""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from covattach.errors import NotPossible
from covattach.process import capabilities
from covattach.process.thread_calls import call

# Numbers of setresuid, setresgid and setgroups.  The C library's functions would change all
# threads (nptl(7)); the system calls change the thread that makes them.
CALLS = {"x86_64": (117, 119, 116), "aarch64": (147, 149, 159)}
AS_IT_IS = -1


@dataclass(frozen=True)
class Owner:
    """A user with their groups, by the ids that they have in our user namespace.

    `is_bare` says that root may read no files but its own: it has no CAP_DAC_OVERRIDE, or has it in
    another user namespace only.
    """

    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    is_bare: bool = False


def set_uid(uid: int) -> None:
    """Make `uid` the effective user of this thread, with that user's rights."""
    if (numbers := CALLS.get(platform.machine())) is None:
        return os.setresuid(AS_IT_IS, uid, AS_IT_IS)
    return call(numbers[0], AS_IT_IS, uid, AS_IT_IS)


def set_gid(gid: int) -> None:
    """Make `gid` the effective group of this thread."""
    if (numbers := CALLS.get(platform.machine())) is None:
        return os.setresgid(AS_IT_IS, gid, AS_IT_IS)
    return call(numbers[1], AS_IT_IS, gid, AS_IT_IS)


def set_groups(groups: tuple[int, ...]) -> None:
    """Make `groups` the supplementary groups of this thread."""
    import ctypes

    if (numbers := CALLS.get(platform.machine())) is None:
        return os.setgroups(groups)
    return call(numbers[2], len(groups), (ctypes.c_uint32 * len(groups))(*groups))


@contextlib.contextmanager
def as_owner(owner: Owner) -> Iterator[None]:
    """Act as `owner` in this thread, in the body; raises NotPossible where we may not.

    Does nothing if we are that user already, unless `owner` is bare.
    """
    if os.geteuid() == owner.uid and not owner.is_bare:
        yield
        return
    before = Owner(os.geteuid(), os.getegid(), tuple(os.getgroups()))
    # Done in reverse: the user's first, which gives the rights for the others.
    undo: list[Callable[[], None]] = []
    try:
        try:
            set_groups(owner.groups)
            undo.append(lambda: set_groups(before.groups))
            set_gid(owner.gid)
            undo.append(lambda: set_gid(before.gid))
            set_uid(owner.uid)
            undo.append(lambda: set_uid(before.uid))
            if owner.is_bare:
                usual = capabilities.effective()
                capabilities.set_effective(usual & ~capabilities.OVER_FILES)
                undo.append(lambda: capabilities.set_effective(usual))
        except OSError as error:
            raise NotPossible(
                f"You may not act as user {owner.uid}, whose process this is ({error.strerror}).",
                "Run the same command as that user or as root.",
            ) from None
        yield
    finally:
        for step in reversed(undo):
            step()
