"""`covattach doctor`: everything that could stop an attach, each with its remedy."""

from __future__ import annotations

import click

from covattach.commands.options import json_option
from covattach.commands.output import console, print_json, say
from covattach.untrusted import printable

EPILOG = """
\b
Examples:
  covattach doctor                 what this machine allows
  covattach doctor 4711            what an attach to process 4711 needs
  covattach doctor 4711 --json
"""


@click.command(epilog=EPILOG)
@click.argument("pid", type=click.IntRange(min=1), required=False)
@json_option
@click.pass_context
def doctor(context: click.Context, pid: int | None, as_json: bool) -> None:
    """Try everything that an attach to process PID needs, or that this machine allows.

    Nothing is executed in the process.  The exit code is 0 if an attach would work, else that
    which `start` would end with.
    """
    from rich.table import Table
    from rich.text import Text

    from covattach.diagnose.machine import of_machine
    from covattach.diagnose.target import measured, of_process

    found = list(of_process(pid) if pid else of_machine())
    obstacles = [finding.obstacle for finding in found if finding.obstacle is not None]
    if as_json:
        print_json([finding.facts for finding in found])
    else:
        table = Table(box=None, pad_edge=False)
        for heading in ("", "tried", "found"):
            table.add_column(heading, overflow="fold")  # a path is no use without its end
        for finding in found:
            mark = Text("ok", "green") if finding.obstacle is None else Text("NO", "bold red")
            table.add_row(mark, finding.check, Text(printable(finding.found)))
            if finding.obstacle is not None:
                table.add_row("", "", Text(f"Remedy: {finding.obstacle.remedy}", "bold"))
        console().print(table)
        if obstacles:
            say(refusal(pid))
        elif pid:
            say(measured(pid) or f"`covattach start {pid}` would work.")
    if obstacles:
        context.exit(obstacles[0].exit_code)


def refusal(pid: int | None) -> str:
    """Return the sentence that `start` would fail for process `pid`; None is for any process."""
    if pid:
        return f"`covattach start {pid}` would fail, with the first NO above."
    return "`covattach start` fails, with the first NO above, for processes that need that."
