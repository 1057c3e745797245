"""A process that is measured: its session, or the tree that it is the first of.

found = find(pid)         then .snapshots(), .mark(name), .status(), .stop(), .members()
"""

from __future__ import annotations

from covattach.session.session import Session
from covattach.session.session_lookup import find_session
from covattach.session.tree import Tree, find_tree

Measured = Session | Tree


def find(pid: int) -> Measured:
    """Return the tree that is known by `pid`, or else the session of that process.

    Raises NoSession, and NoTarget where there never was either.
    """
    return find_tree(pid) or find_session(pid)
