"""The functions that start and end programs, which a tree replaces: they seem the originals."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support.command import Covattach
from support.interpreters import Interpreter
from support.targets import TARGETS


@pytest.mark.pythons("3.9", "3.14", stress=("3.10", "3.11", "3.12", "3.13", "3.15"))
def test_as_without(interpreter: Interpreter, covattach: Covattach, tmp_path: Path) -> None:
    """The replaced functions look, accept, refuse and act like the originals."""
    # GIVEN a program's findings about the originals
    words = [interpreter.python, str(TARGETS / "originals.py")]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": interpreter.site}
    alone = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)

    # WHEN it is run measured, THEN it finds the same
    done = covattach("run", "--no-html", "--", *words, env={"PYTHONPATH": interpreter.site})
    lines = [line for line in done.out.splitlines() if line]
    assert lines[: len(alone.stdout.splitlines())] == alone.stdout.splitlines()
