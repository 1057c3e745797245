"""`covattach trace`: function calls as they happen."""

from __future__ import annotations

import os
import shutil
import sys
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import click

from covattach.commands.options import Duration, timeout_option, trust_option
from covattach.commands.output import progress, say
from covattach.commands.target_arguments import ForTargets, target_options
from covattach.errors import BadUsage, PayloadFailed
from covattach.terminal import Painted, out

if TYPE_CHECKING:
    from covattach.trace.messages import Event
    from covattach.trace.tracing import Trace

EPILOG = """
\b
Examples:
  covattach trace 4711 --include '*/orders.py'
  covattach trace 4711 --function 'Cart.*' --args --returns
  covattach trace 4711 --thread 'worker-*' --for 10s
  covattach trace --name 'gunicorn: worker' --limit 100
  covattach trace 4711 --json --limit 1000 > calls.jsonl
"""
ENDING = 3.0  # seconds for the last words of the target
SHORT = 0.5  # seconds below which the share of time says nothing: the beginning is most of it
UNLIMITED = 1000  # per cent of overhead, from which on nothing is left out
NOTHING = (
    "Perhaps nothing was called: it may be idle, or another worker does the work (see `covattach"
    " ps`). Or the options leave all of it out."
)
LATE = 5.0  # seconds after which a target that should have ended the trace is not waited for


def listed(context: click.Context, param: click.Parameter, value: tuple[str, ...]) -> list[str]:
    """Return an option that can be given several times, with commas too, as one list."""
    return [part.strip() for one in value for part in one.split(",") if part.strip()]


@click.command(cls=ForTargets, epilog=EPILOG)
@target_options(measured=False)
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
        Screen(found, as_json, given).show()


class Screen:
    """Shows a trace on standard output, for people or as JSON, and its sum on standard error.

    `given` are the options of the command.
    """

    def __init__(self, trace: Trace, as_json: bool, given: dict[str, Any]) -> None:
        from covattach.trace import event_lines, messages

        self.trace = trace
        self.as_json, self.given = as_json, given
        self.decoder = messages.Decoder()
        self.shown = self.resumed = self.pauses = self.under_way = 0
        self.paused = 0.0  # seconds, of these pauses
        self.is_cut = False  # whoever read it has gone
        self.lost = {"dropped": 0, "left_out": 0}
        terminal = sys.stdout.isatty()
        width = shutil.get_terminal_size().columns if terminal else None
        colour = terminal and "NO_COLOR" not in os.environ
        lines = event_lines.Lines(colour, width, given["returns"], given["max_overhead"])
        self.line, self.loss = (
            (event_lines.as_json, event_lines.loss_as_json) if as_json else (lines.line, lines.loss)
        )

    def show(self) -> None:
        """Show events until either side has enough; Ctrl-C and a reader that has gone end it."""
        seconds = self.given["for_"]
        deadline = time.monotonic() + seconds + LATE if seconds else None
        try:
            try:
                with suppress(KeyboardInterrupt, TimeoutError):
                    self.introduce()
                    self.follow(deadline)
            finally:
                self.trace.stream.ask_to_end()  # before anything that could wait for a reader
            sys.stdout.flush()
        except BrokenPipeError:
            self.is_cut = True
            # What is still in the buffer of standard output has nowhere to go.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        self.hear_last_words()
        self.summarize()
        self.check()

    def introduce(self) -> None:
        """Print the target, the end of the trace, and the heading of its lines."""
        from covattach.trace import event_lines

        given, process = self.given, self.trace.process
        ends = [f"after {given['limit']:,} calls"] if given["limit"] else []
        ends += [f"after {given['for_']:g} s"] if given["for_"] else []
        until = " or ".join(["until Ctrl-C", *ends])
        say(f"Tracing process {process.pid} (Python {self.trace.python}) {until}.")
        if not self.as_json:
            say(event_lines.HEADING)
            if given["returns"]:
                say(event_lines.LEGEND)

    def follow(self, deadline: float | None) -> None:
        """Write the events as they come, message by message."""
        while (message := self.trace.stream.message(deadline)) is not None:
            for event in self.decoder.events(*message):
                if event.kind == "call" and self.shown == self.given["limit"]:
                    return  # the target was told to end by itself
                self.count(event)
                self.put(self.line(event))
            for name, before in self.lost.items():
                self.lost[name] = int(self.decoder.facts[name])
                if self.lost[name] > before:
                    self.put(self.loss(name, self.lost[name] - before))
            sys.stdout.flush()

    def put(self, line: str) -> None:
        """Print a line."""
        parts = line.parts if isinstance(line, Painted) else ((line, ""),)
        out().put(Painted(*parts, ("\n", "")))

    def count(self, event: Event) -> None:
        """Count an event that is shown."""
        self.shown += event.kind == "call"
        self.resumed += event.kind == "resume"
        self.under_way = len(self.decoder.under_way)
        if event.kind == "gap":
            self.pauses += 1
            self.paused += event.seconds or 0.0

    def hear_last_words(self) -> None:
        """Read the target's last messages, for the facts of the whole trace."""
        deadline = time.monotonic() + ENDING
        with suppress(TimeoutError):
            while (message := self.trace.stream.message(deadline)) is not None:
                self.decoder.events(*message)

    def summarize(self) -> None:
        """Print how many events were shown and how many were not, and the target's slow-down."""
        from covattach.trace import event_lines

        facts, process = self.decoder.facts, self.trace.process
        if not process.is_alive():
            say(f"Process {process.pid} has ended.")
        elif not facts["end"]:
            say("The session was stopped, and this trace with it.")
        seconds = facts["seconds"]
        took = event_lines.duration(seconds)
        cut = ", until the output was closed" if self.is_cut else ""
        say(f"{self.counted(int(facts['dropped']))}, in {took}{cut}.")
        if not self.shown and not self.resumed and not facts["dropped"]:
            say(NOTHING)
        if self.pauses:
            pauses = "1 pause" if self.pauses == 1 else f"{self.pauses:,} pauses"
            say(f"Calls made in {pauses} ({event_lines.duration(self.paused)}) are not counted.")
        if seconds >= SHORT:
            paused, limit = (
                round(100 - 100 * facts["watched"] / seconds),
                self.given["max_overhead"],
            )
            has_paused = paused > 0 and limit < UNLIMITED
            why = f"of the {took}, {event_lines.kept_near(limit)}"
            more = f"; it was paused for {paused} % {why}" if has_paused else ""
            say(f"Tracing took {facts['cost']:.1f} % of the target's time{more}.")

    def check(self) -> None:
        """Raise PayloadFailed where events are missing because our code failed in the target."""
        if faults := int(self.decoder.facts["faults"]):
            raise PayloadFailed(
                f"{faults:,} events are missing in this trace, by a fault of covattach's.",
                "Report it, with the versions of covattach, Python and coverage.",
                traceback="",
            )

    def counted(self, dropped: int) -> str:
        """Return how many calls were shown, and how many that came were not."""
        said = f"{self.shown:,} calls"
        if self.resumed:
            said += f" and {self.resumed:,} that went on"
        said += " shown"
        if self.given["returns"] and self.under_way and not self.pauses and not dropped:
            said += f" ({self.under_way:,} of them still running)"
        said += f", {dropped:,} dropped"
        left_out = self.lost["left_out"]
        return said + (f", {left_out:,} left out by --rate" if left_out else "")
