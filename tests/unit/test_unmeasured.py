"""Warnings about processes that are not measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from covattach.session import unmeasured
from covattach.session.folder import SessionFolder


def test_one_sentence_for_each_reason(tmp_path: Path) -> None:
    """Processes that have the same reason are in one sentence, with its remedy."""
    lacking = "Traceback …\n_covattach.errors.NoCoverage: there is no coverage for Python 3.10\n"
    for pid, text in ((21, lacking), (7, lacking), (8, "Unfit: it runs pypy"), (9, "")):
        (tmp_path / f"fault-of-{pid}").write_text(text)
    (tmp_path / "fault-of-nobody").write_text("Unfit: no PID")
    assert unmeasured.warnings(SessionFolder(tmp_path, "")) == [
        "Process 8 was not measured: it runs pypy.",
        "Process 9 was not measured: the payload failed in it (it could not be told why).",
        "2 processes were not measured (7, 21): there is no coverage for Python 3.10."
        " Get one: `covattach provision --python 3.10`.",
    ]


@pytest.mark.parametrize(
    ("command", "letter"),
    [
        ("python -I a.py", "-I"),
        ("/usr/bin/python3.11 -uE -m a", "-E"),
        ("python -X dev -S a.py", "-S"),
        ("python -Wignore -W error -I -c pass", "-I"),
        ("python a.py -I", ""),
        ("python -m a -S", ""),
        ("python -um a -S", ""),
        ("python -XI a.py", ""),
        ("python", ""),
        ("sh -c -I", ""),
    ],
)
def test_options_that_keep_it_from_being_measured(command: str, letter: str) -> None:
    """Python's own options are looked at, and not those of the program."""
    said = unmeasured.by_options(command.split())
    assert (f" {letter} does not look" in said) if letter else not said
