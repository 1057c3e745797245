"""The output of `covattach trace`: the calls as they come, and a summary at the end."""

from __future__ import annotations

import os
import shutil
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from covattach.commands.output import say
from covattach.errors import PayloadFailed
from covattach.terminal import Painted, out

if TYPE_CHECKING:
    from covattach.trace.messages import Event
    from covattach.trace.tracing import Trace

ENDING = 3.0  # seconds for the target's last messages
SHORT = 0.5  # seconds below which the share of time says nothing: the beginning is most of it
UNLIMITED = 1000  # per cent of overhead, from which on nothing is left out
NOTHING = (
    "Perhaps nothing was called: it may be idle, or another worker does the work (see `covattach"
    " ps`). Or the options leave all of it out."
)
LATE = 5.0  # seconds after which a target that should have ended the trace is not waited for


class TraceOutput:
    """Prints the events of a trace on standard output, and a summary on standard error.

    Events are JSON if `as_json`, else text.  `given` are the options of the command.
    """

    def __init__(self, trace: Trace, as_json: bool, given: dict[str, Any]) -> None:
        from covattach.trace import event_lines, messages

        self.trace = trace
        self.as_json, self.given = as_json, given
        self.decoder = messages.Decoder()
        self.shown = self.resumed = self.pauses = self.under_way = 0
        self.paused = 0.0  # seconds, of all pauses together
        self.is_cut = False  # whether the reader of standard output has closed it
        self.lost = {"dropped": 0, "left_out": 0}
        terminal = sys.stdout.isatty()
        width = shutil.get_terminal_size().columns if terminal else None
        colour = terminal and "NO_COLOR" not in os.environ
        lines = event_lines.Lines(colour, width, given["returns"], given["max_overhead"])
        self.line, self.loss = (
            (event_lines.as_json, event_lines.loss_as_json) if as_json else (lines.line, lines.loss)
        )

    def show(self) -> None:
        """Print events until either side ends the trace, and then the summary.

        Ctrl-C, or a closed standard output, ends it too.  Raises PayloadFailed if events are
        missing because our code failed in the target.
        """
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
        """Print the target, how the trace will end, and the heading of its lines."""
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
        """Print the events as they come, until the target or --limit ends the trace.

        `deadline` is a time of `time.monotonic`, after which TimeoutError is raised.
        """
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
        """Print a line on standard output."""
        parts = line.parts if isinstance(line, Painted) else ((line, ""),)
        out().put(Painted(*parts, ("\n", "")))

    def count(self, event: Event) -> None:
        """Add an event that is shown to the counts for the summary."""
        self.shown += event.kind == "call"
        self.resumed += event.kind == "resume"
        self.under_way = len(self.decoder.under_way)
        if event.kind == "gap":
            self.pauses += 1
            self.paused += event.seconds or 0.0

    def hear_last_words(self) -> None:
        """Read the target's last messages, which have the facts of the whole trace."""
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
        """Return a phrase: how many calls were shown, how many `dropped`, and how many left out."""
        said = f"{self.shown:,} calls"
        if self.resumed:
            said += f" and {self.resumed:,} that went on"
        said += " shown"
        if self.given["returns"] and self.under_way and not self.pauses and not dropped:
            said += f" ({self.under_way:,} of them still running)"
        said += f", {dropped:,} dropped"
        left_out = self.lost["left_out"]
        return said + (f", {left_out:,} left out by --rate" if left_out else "")
