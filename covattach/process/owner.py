"""The rights of a target's user, taken on for a while.

Whoever owns a folder can change it between any two steps that root makes in it.  So root makes
them with the rights of that user: the kernel then refuses every step that the user could not make.
New files belong to that user.  To the agent, it is that user who asks, also where a user namespace
has no name for our root.
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
    """A user with their groups, by the numbers that we have for them.

    `is_bare` for a root that may read no files but its own: without CAP_DAC_OVERRIDE, or with it
    in another user namespace only.
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
    """Make `groups` the further groups of this thread."""
    import ctypes

    if (numbers := CALLS.get(platform.machine())) is None:
        return os.setgroups(groups)
    return call(numbers[2], len(groups), (ctypes.c_uint32 * len(groups))(*groups))


@contextlib.contextmanager
def as_owner(owner: Owner) -> Iterator[None]:
    """Act as `owner` in this thread; raises NotPossible where we may not.

    Does nothing where we are that user already.
    """
    if os.geteuid() == owner.uid and not owner.is_bare:
        yield
        return
    before = Owner(os.geteuid(), os.getegid(), tuple(os.getgroups()))
    undo: list[Callable[[], None]] = []  # in reverse: the user first, with whom the rights return
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
