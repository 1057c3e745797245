"""Ctrl-C and SIGTERM, as exceptions, so that changes are undone."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

UNDONE = "Interrupted: what was begun has been undone."


class Interrupted(KeyboardInterrupt):
    """A Ctrl-C whose consequences are known; its words are for the user."""


ignored: set[signal.Signals] = set()  # those that we were started to ignore, as by `nohup … &`


def on_sigterm(signum: int, frame: FrameType | None) -> None:
    """End as Ctrl-C would."""
    raise KeyboardInterrupt


def take() -> None:
    """Have both raise KeyboardInterrupt from now on."""
    handlers = ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, on_sigterm))
    for number, handler in handlers:
        if signal.signal(number, handler) == signal.SIG_IGN:
            ignored.add(number)


@contextlib.contextmanager
def ignoring_ctrl_c() -> Iterator[None]:
    """Do nothing at a Ctrl-C in the body; programs started there are not affected."""
    before = signal.signal(signal.SIGINT, lambda signum, frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
