"""The sessions of a tree, asked side by side: one that fails keeps none from its turn."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from covattach.errors import CovattachError
from covattach.process import procfs_errors
from covattach.session.session import Count, Session, ignore_count

AT_ONCE = 32
Asked = TypeVar("Asked")


class LeftOut:
    """The errors of those members of a tree that keep none of the others from their turn."""

    def __init__(self) -> None:
        self.errors: dict[int, CovattachError] = {}

    def others(self, asked: Callable[[Session], Asked | None]) -> Callable[[Session], Asked | None]:
        """Return a function that gives None for a member for which `asked` fails, and notes it."""

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
        """A sentence for each of them."""
        return [f"Process {pid} is left out: {one.message}" for pid, one in self.errors.items()]


def each(
    asked: Callable[[Session], Asked], members: list[Session], count: Count = ignore_count
) -> list[Asked]:
    """Return the result of `asked` for each of the sessions, some of them asked side by side."""
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
