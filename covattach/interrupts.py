"""Ctrl-C and SIGTERM, turned into KeyboardInterrupt, so that changes are undone."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

UNDONE = "Interrupted: what was begun has been undone."


class Interrupted(KeyboardInterrupt):
    """A KeyboardInterrupt with a message for the user about its consequences."""


# The signals that were ignored when we were started, as by `nohup … &`.
ignored: set[signal.Signals] = set()


def on_sigterm(signum: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt, as Ctrl-C does; the handler of SIGTERM."""
    raise KeyboardInterrupt


def take() -> None:
    """Have SIGINT and SIGTERM raise KeyboardInterrupt from now on.

    The signals among them that were ignored so far are added to `ignored`.
    """
    handlers = ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, on_sigterm))
    for number, handler in handlers:
        if signal.signal(number, handler) == signal.SIG_IGN:
            ignored.add(number)


@contextlib.contextmanager
def ignoring_ctrl_c() -> Iterator[None]:
    """Ignore Ctrl-C in the body; programs started there do not inherit that."""
    before = signal.signal(signal.SIGINT, lambda signum, frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
