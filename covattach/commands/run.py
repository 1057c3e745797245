"""`covattach run`: start a program whose every Python process is measured from its first line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from covattach.commands.dump import report
from covattach.commands.options import (
    Duration,
    chosen_settings,
    json_option,
    measuring_options,
    output_options,
)
from covattach.commands.output import print_json, say
from covattach.errors import CovattachError, NoSession

if TYPE_CHECKING:
    from covattach.reports.destinations import Outputs
    from covattach.run.run import Run

EPILOG = """
\b
Examples:
  covattach run -- python -m shop --port 8000
  covattach run --branch --source=shop -- gunicorn -w 4 shop:app
  covattach run --no-html -- sh -c "python a.py & python b.py; wait"
  covattach run -- python shop.py      not `run -- shop.py`: you say which Python is to run it
"""


@click.command(epilog=EPILOG)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@measuring_options
@click.option(
    "--every",
    type=Duration(),
    default="30s",
    show_default=True,
    help="Autosave interval, for processes that are killed.",
)
@output_options
@json_option
def run(
    command: tuple[str, ...],
    as_json: bool,
    every: float,
    core: str | None,
    rcfile: str | None,
    **given: Any,
) -> None:
    """Start COMMAND, and measure every Python process of it from its first line on.

    COMMAND is a program with its arguments, as you would write it without covattach.  It has the
    terminal and the signals.  When it has ended, the data of all its processes is combined, the
    reports are made, and the exit status is COMMAND's.  While it runs, and for processes that
    outlive it, `covattach dump`, `mark`, `status` and `stop` work with COMMAND's PID.
    """
    from covattach.reports.destinations import Outputs
    from covattach.run import run as running
    from covattach.run.child_program import end_like

    settings = chosen_settings(given)
    outputs = Outputs.chosen(**given)
    outputs.ensure_ours()
    ran = running.start(command, running.Options(settings, rcfile, core, every))
    try:
        ran.wait()
    finally:
        ran.program.hear_again()
    code = ran.program.exit_code
    try:
        finish(ran, command, outputs, as_json)
    except BaseException as error:
        say(f"What was measured is kept: covattach dump {ran.whole.pid}")
        if isinstance(error, CovattachError) and code:
            error.exit_code = code if code > 0 else 128 - code
        raise
    end_like(code)


def finish(ran: Run, command: tuple[str, ...], outputs: Outputs, as_json: bool) -> None:
    """Make the data file and the reports of all processes, and print which are still running."""
    from covattach.session import unmeasured

    pid = ran.whole.pid
    staying = ran.outliving()
    more = {"exit_code": ran.program.exit_code, "still_measured": staying}
    warnings = list(filter(None, [unmeasured.by_options(command)]))
    warnings += unmeasured.warnings(ran.whole.folder)
    try:
        taken = ran.whole.snapshots()
    except NoSession:
        for warning in warnings:
            say(f"Warning: {warning}")
        say("Nothing was measured: no Python process of this command could be.")
        if as_json:
            print_json({"pid": pid, "data_file": None, "warnings": warnings, **more})
    else:
        report([pid], taken, outputs, as_json, warnings=warnings, more=more)
    if staying:
        say(f"Still running, and measured: {', '.join(map(str, staying))}.")
        say(f"Next: covattach dump {pid}, or covattach stop {pid}")
    else:
        ran.discard()
