"""Forks: the agent's thread is gone while the process forks, and back afterwards.

A fork copies only the thread that forks.  Locks that other threads hold stay locked in the child
for ever, and from 3.12 on Python warns at a fork in a process with more than one thread, which
under `-W error` is an error.  So the agent must not be the reason for either.

`os.register_at_fork` cannot be undone: what it is given stays, inert between sessions, and is
found again by the next session where `library` keeps its modules too.
"""

from __future__ import annotations

import codecs
import os
import sys
from typing import Any

KEEP = "covattach.forks"


class Hooks:
    """What is registered once in a process; `agent` is None between sessions."""

    def __init__(self) -> None:
        self.agent: Any = None

    def before(self) -> None:
        """Send the agent's thread away; it is gone when this returns."""
        if self.agent is not None:
            self.agent.rest()

    def in_parent(self) -> None:
        """Call the agent's thread back."""
        if self.agent is not None:
            self.agent.resume(sys._getframe().f_back)

    def in_child(self) -> None:
        """Measure the child too, if that is wanted, or leave it as if nothing had been attached."""
        if self.agent is not None and not self.agent.goes_on_in_child():
            self.agent = None

    def __call__(self, error: UnicodeError) -> tuple[str, int]:
        """Be what the codec registry takes for an error handler."""
        raise error


def registered() -> Any:
    """Return the hooks that this or an earlier session has registered, or None."""
    try:
        return codecs.lookup_error(KEEP)
    except LookupError:
        return None


def watch(agent: Any) -> None:
    """Have `agent` sent away before every fork from now on."""
    hooks = registered()
    if hooks is None:
        hooks = Hooks()
        codecs.register_error(KEEP, hooks)
        os.register_at_fork(
            before=hooks.before,
            after_in_parent=hooks.in_parent,
            after_in_child=hooks.in_child,
        )
    hooks.agent = agent


def unwatch() -> None:
    """Make the hooks inert."""
    hooks = registered()
    if hooks is not None:
        hooks.agent = None
