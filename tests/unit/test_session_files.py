"""The names of a session's files are the same where they cannot be imported."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest
from covattach.payloads import session_files
from covattach.payloads.trace import event_kinds

NAMES = {value for name, value in vars(session_files).items() if name.isupper()}
# These are executed before our modules are there, or by themselves.
BEFORE = ("bootstrap.py", "launch.py", "start.py", "dump.py", "stop.py", "startup/sitecustomize.py")
OTHER = {"compiled", "launch.py", "bootstrap.py", "originals.py", "unpatched.py", "proc", "tmp"}
PATH = re.compile(r'"/([\w.-]+)|\{tree\}/([\w.-]+)|join\(tree, "([\w.-]+?)(?:%d)?"')


@pytest.mark.parametrize("file", BEFORE)
def test_names_that_are_literals(file: str) -> None:
    """Each file in a session's folder has a name that the other side knows too."""
    text = (files("covattach.payloads") / file).read_text(encoding="utf-8")
    found = {name for groups in PATH.findall(text) for name in groups if name} - OTHER
    assert found <= NAMES
    assert found


def test_kinds_of_events_have_names() -> None:
    """Each kind of a trace's events has its name at its number."""
    for number, name in enumerate(event_kinds.KINDS):
        assert getattr(event_kinds, name.upper()) == number
