"""Lines of `covattach status` about trees."""

from __future__ import annotations

from pathlib import Path

from covattach.commands.status import summary
from covattach.session.folder import SessionFolder
from covattach.session.session import Session


def member(pid: int, inside: str, alive: bool, tree: str = "/tmp/covattach-a") -> Session:  # noqa: S108
    """Return a session of a tree."""
    place = SessionFolder(Path(inside), inside, None)
    return Session(pid, place, {"tree": tree}, alive=alive)


def test_ended_workers_are_summed_up() -> None:
    """Workers that have ended are one line of the first process, and no lines of their own."""
    first = member(1, "/tmp/covattach-a", alive=True)  # noqa: S108
    running = member(2, "/tmp/covattach-a-1", alive=True)  # noqa: S108
    ended = [member(pid, f"/tmp/covattach-a-{pid}", alive=False) for pid in (3, 4)]  # noqa: S108
    lines, summed_up = summary([first, running, *ended])
    assert summed_up == ended
    assert lines[1] == ["2 have ended; what these saved is in the next dump"]

    # BUT not where the first is not among those that are shown
    assert summary([running, *ended]) == ({}, [])
