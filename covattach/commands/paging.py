"""Paging: output longer than the terminal goes through a pager, as git's does."""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from covattach import meanwhile, terminal
from covattach.commands.common import console

if TYPE_CHECKING:
    from rich.console import Console

PAGER = "less"
LESS = "FRX"  # quit if it fits, show colours, leave it on the screen


@contextlib.contextmanager
def paged() -> Iterator[Console]:
    """Yield a console; its output is shown when the body ends, on standard error."""
    screen = console()
    with screen.capture() as captured:
        yield screen
    text = captured.get()
    ours = (sys.stdin, sys.stdout, sys.stderr)
    is_long = text.count("\n") >= screen.height
    if not (is_long and all(one.isatty() for one in ours) and page(text)):
        terminal.release(screen, captured)


def page(text: str) -> bool:
    """Show text with the user's pager; False if there is none."""
    from covattach.provision import own_environment

    words = shlex.split(os.environ.get("PAGER") or PAGER)
    # A pager obeys the files at HOME: less's can name commands to be executed (lesskey(1)).
    environment = {"LESS": LESS, **own_environment()}
    with meanwhile.deaf():  # a Ctrl-C is the pager's
        try:
            popen = subprocess.Popen(
                words,
                stdin=subprocess.PIPE,
                encoding="locale",
                errors="backslashreplace",
                env=environment,
            )
        except OSError:
            return False
        with contextlib.suppress(BrokenPipeError):
            popen.communicate(text)
    return True
