"""The command line: the group of all commands, and the output of errors.

Each command imports its modules when it is called, so that `--help` is as fast as click.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from covattach import __version__, interrupts, terminal
from covattach.budget import BUDGET, Overrun, TooMuch
from covattach.commands.demo import demo
from covattach.commands.doctor import doctor
from covattach.commands.dump import dump
from covattach.commands.mark import mark
from covattach.commands.output import say, show
from covattach.commands.provision import provision
from covattach.commands.ps import ps
from covattach.commands.record import record
from covattach.commands.run import run as run_command
from covattach.commands.start import start
from covattach.commands.status import status
from covattach.commands.stop import stop
from covattach.commands.trace import trace
from covattach.deadline import COMMAND
from covattach.errors import BadUsage, CovattachError
from covattach.process import procfs_errors

NOWHERE = BadUsage(
    "The current directory has been removed, and that is where the results would go.",
    "Change to one that there is: `cd`.",
)
INTERRUPTED = 130  # as shells have it: 128 and the number of SIGINT

EXAMPLES = """
\b
Examples:
  covattach start 4711              attach, and measure all threads
  covattach dump 4711               a report of what ran so far, in htmlcov/
  covattach mark 4711 login         from now on, what runs is in the window "login"
  covattach record 4711 -- COMMAND  what ran while a command ran
  covattach stop 4711               a last report, and leave no trace
  covattach trace 4711              print function calls as they happen
  covattach run -- python app.py    start it measured, with all that it starts
  covattach doctor 4711             what could be in the way of an attach
  covattach demo                    see it work on a sample server
"""


UNDOING = ("start", "record", "trace", "run", "demo")  # commands that undo at a Ctrl-C


class Commands(click.Group):
    """The group of commands; the one place where errors become sentences and exit codes."""

    def main(self, *given: Any, **how: Any) -> Any:
        """Run the command line; meanwhile all output, also click's, goes through `terminal`."""
        with terminal.installed():
            try:
                return super().main(*given, **how)
            except CovattachError as error:  # `--help` and `--version` can fail to be written
                show(error, verbose=False)
                sys.exit(error.exit_code)

    def invoke(self, context: click.Context) -> Any:
        """Run the command; print an error as one sentence and one remedy, and exit."""
        BUDGET.renew()
        try:
            with procfs_errors.ends_told():
                return super().invoke(context)
        except CovattachError as error:
            show(error, verbose=bool(context.params.get("verbose")))
            context.exit(error.exit_code)
        except Overrun:  # raised just outside of the `try` in Budget.limited
            too_much = TooMuch("The command", "time")
            show(too_much, verbose=False)
            context.exit(too_much.exit_code)
        except FileNotFoundError:
            if is_somewhere():
                raise
            show(NOWHERE, verbose=False)
            context.exit(NOWHERE.exit_code)
        except KeyboardInterrupt as error:
            undoes = context.invoked_subcommand in UNDOING
            usual = interrupts.UNDONE if undoes else "Interrupted."
            say(str(error) or usual)
            context.exit(INTERRUPTED)
        finally:
            COMMAND.end()


def is_somewhere() -> bool:
    """Whether our current directory still exists."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return False
    return True


@click.group(
    cls=Commands, epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, prog_name="covattach")
@click.option("-v", "--verbose", is_flag=True, help="Show everything, gdb's transcript too.")
@click.pass_context
def cli(context: click.Context, verbose: bool) -> None:
    """Show which code a running Python process really executes.

    covattach attaches coverage to a process without restarting it, without changing it, and
    without harming it.  `start` it, use the application, `dump` a report, `stop`.
    """
    context.obj = verbose


MEASURING = (start, dump, mark, stop, record, trace, run_command)
for command in (*MEASURING, status, ps, doctor, provision, demo):
    cli.add_command(command)


def run() -> None:
    """Run the command line; Ctrl-C and SIGTERM become exceptions, so that changes are undone."""
    terminal.install()
    interrupts.take()
    if "_COVATTACH_COMPLETE" in os.environ:
        from covattach.commands import completion

        completion.register()
    cli(prog_name="covattach")
    sys.exit(0)
