"""`covattach trace`: function calls as they happen."""

from __future__ import annotations

import os
import shutil
import sys
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import click

from covattach.commands.common import Duration, pid_argument, progress, say, timeout_option

if TYPE_CHECKING:
    from covattach.tracing import Trace

EPILOG = """
\b
Examples:
  covattach trace 4711 --include '*/orders.py'
  covattach trace 4711 --function 'Cart.*' --args --returns
  covattach trace 4711 --thread 'worker-*' --for 10s
  covattach trace 4711 --json --limit 1000 > calls.jsonl
"""
ENDING = 3.0  # seconds for the last words of the target
SHORT = 0.5  # seconds below which the share of time says nothing: the beginning is most of it
LATE = 5.0  # seconds after which a target that should have ended the trace is not waited for


def listed(context: click.Context, param: click.Parameter, value: tuple[str, ...]) -> list[str]:
    """Return an option that can be given several times, with commas too, as one list."""
    return [part.strip() for one in value for part in one.split(",") if part.strip()]


@click.command(epilog=EPILOG)
@pid_argument
@click.option(
    "--include",
    multiple=True,
    callback=listed,
    metavar="LIST",
    help="Only functions in files like these patterns, as coverage has them.",
)
@click.option(
    "--omit",
    multiple=True,
    callback=listed,
    metavar="LIST",
    help="No functions in files like these patterns.",
)
@click.option(
    "--function",
    multiple=True,
    metavar="GLOB",
    help="Only functions whose name is like this: price, Cart.* or shop.orders.price.",
)
@click.option(
    "--thread", multiple=True, metavar="GLOB", help="Only threads with such a name, or this id."
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
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    metavar="PERCENT",
    help="Rather leave calls out than slow the target down by more; 1000 leaves none out.",
)
@timeout_option
@click.option(
    "--json", "as_json", is_flag=True, help="Print each event as a JSON object on a line."
)
@click.pass_obj
def trace(verbose: bool, /, pid: int, as_json: bool, timeout: float, **given: Any) -> None:
    """Print the function calls of process PID as they happen, until Ctrl-C.

    Nothing needs to be measured; where something is, that goes on.  Code that is not asked for
    costs nothing from Python 3.12 on.  Calls that come faster than they can be shown are dropped,
    and counted; the target never waits.
    """
    from covattach import tracing
    from covattach.attach import Options

    wanted = {**given, "for": given["for_"]}
    with ExitStack() as stack:
        with progress(verbose) as told:
            options = Options(timeout=timeout)
            found = stack.enter_context(tracing.traced(pid, wanted, options, told))
        Screen(found, as_json, given["returns"]).show(given["for_"])


class Screen:
    """Shows a trace on standard output, for people or as JSON, and its sum on standard error."""

    def __init__(self, trace: Trace, as_json: bool, returns: bool) -> None:
        from covattach import calls
        from covattach.reports import events

        self.trace = trace
        self.decoder = calls.Decoder()
        self.shown = 0
        self.lost = {"dropped": 0, "left_out": 0}
        terminal = sys.stdout.isatty()
        width = shutil.get_terminal_size().columns if terminal else None
        lines = events.Lines(terminal and "NO_COLOR" not in os.environ, width, returns)
        self.line, self.loss = (
            (events.as_json, events.loss_as_json) if as_json else (lines.line, lines.loss)
        )
        sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]

    def show(self, seconds: float | None) -> None:
        """Show events until either side has enough; Ctrl-C and a reader that has gone end it."""
        deadline = time.monotonic() + seconds + LATE if seconds else None
        try:
            try:
                with suppress(KeyboardInterrupt, TimeoutError):
                    process = self.trace.process
                    say(f"Tracing process {process.pid} (Python {self.trace.python}) until Ctrl-C.")
                    self.follow(deadline)
            finally:
                self.trace.stream.ask_to_end()  # before anything that could wait for a reader
            sys.stdout.flush()
        except BrokenPipeError:
            # What is still in the buffer of standard output has nowhere to go.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        self.hear_last_words()
        self.summarize()

    def follow(self, deadline: float | None) -> None:
        """Write what comes, message by message."""
        while (message := self.trace.stream.message(deadline)) is not None:
            for event in self.decoder.events(*message):
                self.shown += event.kind == "call"
                sys.stdout.write(self.line(event) + "\n")
            for name, before in self.lost.items():
                self.lost[name] = int(self.decoder.facts[name])
                if self.lost[name] > before:
                    sys.stdout.write(self.loss(name, self.lost[name] - before) + "\n")
            sys.stdout.flush()

    def hear_last_words(self) -> None:
        """Read what the target still sends, for the facts of the whole trace."""
        deadline = time.monotonic() + ENDING
        with suppress(TimeoutError):
            while (message := self.trace.stream.message(deadline)) is not None:
                self.decoder.events(*message)

    def summarize(self) -> None:
        """Say what was shown, what was not, and what it cost the target."""
        facts, process = self.decoder.facts, self.trace.process
        if not process.is_alive():
            say(f"Process {process.pid} has ended.")
        elif not facts["end"]:
            say("The session was stopped, and this trace with it.")
        left_out = (
            f", {self.lost['left_out']:,} left out by --rate" if self.lost["left_out"] else ""
        )
        dropped, seconds = int(facts["dropped"]), facts["seconds"]
        say(f"{self.shown:,} calls shown, {dropped:,} dropped{left_out}, in {seconds:.1f} s.")
        if facts["faults"]:
            say(f"{int(facts['faults']):,} events were lost by a fault of covattach's: report it.")
        if seconds >= SHORT:
            watched = min(100 * facts["watched"] / seconds, 100)
            cost = f"tracing took {facts['cost']:.1f} % of the target's time"
            say(f"It was looked at for {watched:.0f} % of that; {cost}.")
