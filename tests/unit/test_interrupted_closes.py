"""A Ctrl-C that comes as a descriptor is closed does not have the number closed twice.

By then it may be another file's.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from covattach.files.held import HeldFile
from covattach.process import nofollow


def held(folder: Path) -> None:
    """Hold a file, and let it go early."""
    with HeldFile.open(str(folder / "a")) as file:
        file.close()


def below(folder: Path) -> None:
    """Go into folders."""
    number = os.open(folder, os.O_PATH)
    with nofollow.opened(number, "a/b/c"):
        pass


@pytest.mark.parametrize(("act", "turn"), [(held, 1), (below, 1), (below, 2), (below, 3)])
def test_a_ctrl_c_after_a_close(
    act: Callable[[Path], None], turn: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each number is closed once, whichever close the signal comes behind."""
    (tmp_path / "a/b/c").mkdir(parents=True)
    closed: list[int] = []
    close = os.close

    def interrupted(number: int) -> None:
        assert number not in opened_again, "closed, and another's by now"
        close(number)
        closed.append(number)
        if len(closed) == turn:
            opened_again.append(os.dup(0))  # the application's next file has the same number
            raise KeyboardInterrupt

    opened_again: list[int] = []
    monkeypatch.setattr(os, "close", interrupted)
    with pytest.raises(KeyboardInterrupt):
        act(tmp_path)
    monkeypatch.undo()
    for number in opened_again:
        close(number)
