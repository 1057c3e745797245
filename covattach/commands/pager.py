"""Paging: output longer than the terminal goes through a pager, as git's does."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from covattach import interrupts, terminal
from covattach.commands.output import console

if TYPE_CHECKING:
    from rich.console import Console

PAGER = "less"
LESS = "FRX"  # quit if it fits, show colours, leave it on the screen
# Of root's environment only these count: others name commands, or files that name some (less(1),
# lesskey(1), more(1)), and with `sudo` those can be another user's.
HARMLESS = ("COLORTERM", "COLUMNS", "LANG", "LANGUAGE", "LINES", "NO_COLOR", "TERM", "TZ")
FLAGS = re.compile(r"[-aAcCeEfFgGiIJmMnNqQrRsSuUwWX ]*")  # of less, none of which has an argument


@contextlib.contextmanager
def paged() -> Iterator[Console]:
    """Yield a console; when the body ends, its output is shown, in a pager if it is long."""
    screen = console()
    with screen.capture() as captured:
        yield screen
    text = captured.get()
    ours = (sys.stdin, sys.stdout, sys.stderr)
    is_long = text.count("\n") >= screen.height
    if not (is_long and all(one.isatty() for one in ours) and page(text)):
        terminal.print_captured(screen, captured)


def page(text: str) -> bool:
    """Show `text` in the user's pager; return False if there is none, or root cannot trust it."""
    environment = {"LESS": LESS, **(os.environ if os.geteuid() else environment_of_root())}
    words = shlex.split(os.environ.get("PAGER") or PAGER)
    if os.geteuid() == 0 and not is_roots_own(words, environment["PATH"]):
        return False
    with interrupts.ignoring_ctrl_c():  # a Ctrl-C is the pager's
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


def environment_of_root() -> dict[str, str]:
    """Return an environment for root's pager, without anything that another user can change."""
    from covattach.attach.coverage_packages import own_environment
    from covattach.files.safe_path import is_private

    given = own_environment()
    kept = {
        name: value
        for name, value in given.items()
        if name in HARMLESS or name.startswith("LC_") or (name == "LESS" and FLAGS.fullmatch(value))
    }
    folders = [one for one in os.get_exec_path(given) if one.startswith("/")]
    path = ":".join(one for one in folders if is_private(Path(os.path.realpath(one))))
    return {**kept, "HOME": given["HOME"], "PATH": path or os.defpath, "LESSHISTFILE": "-"}


def is_roots_own(words: list[str], path: str) -> bool:
    """Whether only root can change the program that `words` run, or put another in its place.

    `path` are the folders where it is looked for, as in PATH.
    """
    from covattach.files.safe_path import is_private

    found = shutil.which(words[0], path=path) if words else None
    if found is None:
        return False
    program = Path(os.path.realpath(found))
    try:
        facts = program.stat()
    except OSError:  # it has just gone
        return False
    return facts.st_uid == 0 and not facts.st_mode & 0o022 and is_private(program.parent)
