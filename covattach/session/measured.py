"""Lookup of a measured process: its session, or the tree whose first process it is.

found = find(pid)         then .snapshots(), .mark(name), .status(), .stop(), .members()
"""

from __future__ import annotations

from covattach.session.session import Session
from covattach.session.session_lookup import find_session
from covattach.session.tree import Tree, find_tree

Measured = Session | Tree


def find(pid: int) -> Measured:
    """Return the tree whose first process is `pid`, or else the session of that process.

    Raises NoSession, and NoTarget where there is neither such a process nor a session of an ended
    one.
    """
    return find_tree(pid) or find_session(pid)
