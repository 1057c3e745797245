"""`covattach trace`: function calls as they happen."""

from __future__ import annotations

import math
from contextlib import ExitStack
from typing import Any

import click

from covattach.commands.options import Duration, list_option, timeout_option, trust_option
from covattach.commands.output import progress
from covattach.commands.target_arguments import ForTargets, target_options
from covattach.errors import BadUsage
from covattach.payloads.trace.event_kinds import UNLIMITED

EPILOG = """
\b
Examples:
  covattach trace 4711 --include '*/orders.py'
  covattach trace 4711 --function 'Cart.*' --args --returns
  covattach trace 4711 --thread 'worker-*' --for 10s
  covattach trace --name 'gunicorn: worker' --limit 100
  covattach trace 4711 --json --limit 1000 > calls.jsonl
"""


class Overhead(click.FloatRange):
    """A percentage above 0, or `off`, which becomes one so high that it is never reached."""

    name = "percent"

    def convert(
        self, value: Any, param: click.Parameter | None, context: click.Context | None
    ) -> float:
        """Return the percentage; fails with a usage error for anything else."""
        if value == "off":
            return float(UNLIMITED)
        found = float(super().convert(value, param, context))
        if not math.isfinite(found):
            self.fail(f"{value!r} is not a number of per cent, nor `off`", param, context)
        return found


@click.command(cls=ForTargets, epilog=EPILOG)
@target_options(measured=False)
@list_option("--include", "GLOBS", "Only functions in files like these.")
@list_option("--omit", "GLOBS", "No functions in files like these.")
@list_option(
    "--function",
    "GLOBS",
    "Only functions with names like these: price, Cart.* or shop.orders.price.",
)
@click.option(
    "--thread",
    multiple=True,
    metavar="GLOB",
    help="Only threads with such a name, or this id.",
)
@click.option("--args", "arguments", is_flag=True, help="Show the arguments, shortly.")
@click.option("--returns", is_flag=True, help="Show how calls end, and how long they took.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="End after N calls.")
@click.option(
    "--rate", type=click.IntRange(min=1), metavar="N", help="Show the first N calls of a second."
)
@click.option("--for", "for_", type=Duration(), help="End by itself after this time.")
@click.option(
    "--max-overhead",
    type=Overhead(min=0, min_open=True),
    default=10.0,
    show_default=True,
    metavar="PERCENT",
    help="Rather leave calls out than slow the target down by more; `off` leaves none out.",
)
@timeout_option
@trust_option
@click.option(
    "--json", "as_json", is_flag=True, help="Print each event as a JSON object on a line."
)
@click.pass_obj
def trace(
    verbose: bool, /, pids: list[int], is_many: bool, as_json: bool, timeout: float, **given: Any
) -> None:
    """Print the function calls of process PID as they happen, until Ctrl-C.

    Nothing needs to be measured; where something is, that goes on.  Code that is not asked for
    costs nothing from Python 3.12 on.  Calls that come faster than they can be shown are dropped,
    and counted; the target never waits.  It is one process: --name must match no other.
    """
    from covattach.attach.attach_process import Options
    from covattach.commands.trace_output import TraceOutput
    from covattach.trace import tracing

    if len(pids) > 1:
        raise BadUsage(
            f"These are {len(pids)} processes, and a trace is of one.",
            "Give the PID of one of them.",
        )
    options = Options(timeout=timeout, trust_seccomp=given.pop("trust_seccomp"))
    wanted = {**given, "for": given["for_"]}
    with ExitStack() as stack:
        with progress(verbose) as told:
            found = stack.enter_context(tracing.traced(pids[0], wanted, options, told))
        TraceOutput(found, as_json, given).show()
