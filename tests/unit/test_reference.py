"""The pages in docs/ that are made from the code agree with it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from covattach import errors
from covattach.cli import cli

ROOT = Path(__file__).parent.parent.parent
COMMANDS = [pytest.param(command, id=name) for name, command in cli.commands.items()]
OPTIONS = [
    pytest.param(option, id=f"{name} {option.opts[0]}")
    for name, command in [("covattach", cli), *cli.commands.items()]
    for option in command.params
    if isinstance(option, click.Option)
]


def test_pages_are_up_to_date() -> None:
    """commands.md and messages.md are as `make docs` would write them now."""
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "reference.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_has_help(option: click.Option) -> None:
    """No option is left to be guessed: its help is at least one sentence."""
    assert re.search(r"\w\.($|  \[default: )", option.help or "")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_an_example(command: click.Command) -> None:
    """Each command has a help text, and an example to start from."""
    assert command.help
    assert re.search(rf"^  covattach {command.name}\b", command.epilog or "", re.M)


def test_every_exit_code_has_its_messages() -> None:
    """The page of messages has a section for each exit code that an error can have."""
    codes = {
        kind.exit_code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.CovattachError)
    }
    page = (ROOT / "docs" / "messages.md").read_text(encoding="utf-8")

    assert {int(code) for code in re.findall(r"^## Exit code (\d+)$", page, re.M)} == codes


def test_links_between_pages_lead_somewhere() -> None:
    """Every file that README, CONTRIBUTING or a page of docs/ links to is there."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    missing = [
        f"{page.name}: {link}"
        for page in pages
        for link in re.findall(r"\]\(([^)#:]+)[^):]*\)", page.read_text(encoding="utf-8"))
        if not (page.parent / link).exists()
    ]

    assert missing == []
