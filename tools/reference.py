"""Write the pages of docs/ that are made from the code: commands.md and messages.md.

`--check` writes nothing, and fails if a page is out of date.
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import messages

from covattach.cli import cli

DOCS = Path(__file__).parent.parent / "docs"
HEAD = """\
# Commands

Made by `make docs` from the commands themselves; `covattach COMMAND --help` says the same.
Facts go to standard output, and only with `--json` ([the fields](json.md)); words go to standard
error. What can go wrong, and the exit codes, are in [messages.md](messages.md).

`REGEX` is a regular expression, found anywhere in a text; `GLOB` a pattern as the shell has it.
`LIST`, `REGEXES` and `GLOBS` are separated by commas; lists of files, packages and functions can
also be given by the option several times.
"""


def commands_page() -> str:
    """Return the page of all commands, in Markdown, in the order in which they are used."""
    parts = [HEAD, *section("covattach", cli)]
    for name, command in cli.commands.items():
        parts += section(f"covattach {name}", command)
    return "\n".join(parts)


def section(name: str, command: click.Command) -> Iterator[str]:
    """Yield the paragraphs about one command: usage, description, options, examples."""
    context = click.Context(command, info_name=name, **command.context_settings)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    yield f"## {name}\n\n```\n{usage}\n```\n"
    yield described(command) + "\n"
    yield "\n".join(options(command, context)) + "\n"
    shown = examples(command)
    if shown:
        yield f"```sh\n{shown}\n```\n"


def described(command: click.Command) -> str:
    """Return a command's description, from its help."""
    return inspect.cleandoc(command.help or "").replace(".  ", ". ")


def options(command: click.Command, context: click.Context) -> Iterator[str]:
    """Yield a list item for each option but `--help`."""
    for option in command.params:
        record = option.get_help_record(context) if isinstance(option, click.Option) else None
        if record is not None:
            declaration, text = record
            yield f"- `{declaration}`: {' '.join(text.split())}"


def examples(command: click.Command) -> str:
    """Return the examples below the command's help, or nothing."""
    lines = (command.epilog or "").replace("\b", "").strip().splitlines()
    return "\n".join(line.strip() for line in lines if not re.fullmatch(r"\s*|\s*Examples?:", line))


PAGES: dict[str, Callable[[], str]] = {"commands.md": commands_page, "messages.md": messages.page}


def main() -> int:
    """Write the pages, or with `--check` print which are out of date; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if stale")
    check = parser.parse_args().check
    stale = []
    for name, page in PAGES.items():
        path, text = DOCS / name, page()
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(f"docs/{name}")
        if not check:
            path.write_text(text, encoding="utf-8")
    if check and stale:
        print(f"{' and '.join(stale)} is not what the code says: run `make docs`.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
