"""Asking the sessions of a tree concurrently: a failure of one does not stop the others."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from covattach.errors import CovattachError
from covattach.process import procfs_errors
from covattach.session.session import Count, Session, ignore_count

AT_ONCE = 32  # sessions that are asked at a time
Asked = TypeVar("Asked")


class LeftOut:
    """Collects the errors of those members of a tree that fail while the others go on."""

    def __init__(self) -> None:
        self.errors: dict[int, CovattachError] = {}

    def others(self, asked: Callable[[Session], Asked | None]) -> Callable[[Session], Asked | None]:
        """Return a function that calls `asked`, and on an error keeps it and returns None."""

        def one(member: Session) -> Asked | None:
            try:
                with procfs_errors.made_sense():
                    return asked(member)
            except CovattachError as error:
                self.errors[member.pid] = error
                return None

        return one

    def raise_first(self) -> None:
        """Raise the first error, if there is one."""
        for error in self.errors.values():
            raise error

    @property
    def warnings(self) -> list[str]:
        """A warning for each member that failed."""
        return [f"Process {pid} is left out: {one.message}" for pid, one in self.errors.items()]


def each(
    asked: Callable[[Session], Asked], members: list[Session], count: Count = ignore_count
) -> list[Asked]:
    """Return the results of `asked` for all `members`, called in threads, AT_ONCE at a time.

    `count` is called after each result, with the number of results and of members.  The first error
    of `asked` is raised, and the calls that have not begun are dropped.
    """
    found = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            for answer in pool.map(asked, members):
                found.append(answer)
                count(len(found), len(members))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return found
