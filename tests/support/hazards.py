"""Everything that is known to be a danger to an attach, each as a target that is in that state."""

from __future__ import annotations

import math
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from covattach.errors import CovattachError
from support import filters, hosts
from support.cycles import Figures, attach_and_leave, call_later
from support.interpreters import Interpreter, interpreters
from support.targets import TARGETS, Launch, Target
from support.waiting import wait_for

Act = Callable[[Target], None]
Where = Callable[[Interpreter], bool]
ATTACHES = 200  # at least so many for each hazard, over all interpreters that it can be had on


def everywhere(_: Interpreter) -> bool:
    """Whether a state can be had that needs nothing particular: it can."""
    return True


def shared(interpreter: Interpreter) -> bool:
    """Whether there is a libpython of its own for a program to load."""
    return interpreter.id.partition("-")[2] in ("pyenv", "shared")


def static(interpreter: Interpreter) -> bool:
    """Whether a program can be linked with it."""
    return interpreter.id.endswith("-pyenv")


def as_it_was(target: Target) -> None:
    """Fail unless it answers."""
    assert target.ask("1") == 1


def nothing(_: Target) -> None:
    """Expect nothing but that it lives."""


def asking(*questions: tuple[str, object]) -> Act:
    """Return an act that asks a target, and fails unless its answers are these."""

    def act(target: Target) -> None:
        for expression, expected in questions:
            assert target.ask(expression) == expected, expression

    return act


def doing(expression: str) -> Act:
    """Return an act that evaluates an expression in a target, and then executes a new line."""

    def act(target: Target) -> None:
        target.ask(expression)
        call_later(target)

    return act


@dataclass(frozen=True)
class Hazard:
    """A state of a target: its program and arguments, and the interpreters that it can be had on.

    `prepare` brings it about, `meanwhile` is what happens while it is measured, `after` what must
    be true at the end of each attach, and `finish` at the end of all.  One that does not `last`
    is had by a new target each time.  With a pattern of what it is
    `refused` with, each attach ends so.
    """

    name: str
    script: str = "states.py"
    arguments: tuple[str, ...] = ()
    where: Where = everywhere
    options: tuple[str, ...] = ()
    prepare: Act = nothing
    meanwhile: Act = call_later
    after: Act = as_it_was
    finish: Act = nothing
    lasts: bool = True
    refused: str = ""
    timeout: float = 60.0

    @property
    def interpreters(self) -> list[Interpreter]:
        """The interpreters that it can be had on."""
        return [one for one in interpreters() if self.where(one)]

    @property
    def rounds(self) -> int:
        """How many attaches there are to be on each of them."""
        return math.ceil(ATTACHES / len(self.interpreters))

    def launch(self, launch: Launch, interpreter: Interpreter, folder: Path) -> Target:
        """Start a target that is in this state."""
        target = self.begin(launch, interpreter, folder)
        self.prepare(target)
        return target

    def begin(self, launch: Launch, interpreter: Interpreter, folder: Path) -> Target:
        """Start a target that can come into this state."""
        words = self.arguments_on(interpreter)
        return launch(interpreter, self.script, *words, options=self.options)

    def arguments_on(self, interpreter: Interpreter) -> tuple[str, ...]:
        """Return the arguments of the program."""
        return self.arguments or (self.name,)

    def attach(self, target: Target, figures: Figures) -> None:
        """Attach, check that a new line is measured, and stop; the target must be well."""
        program = TARGETS / self.script
        if self.refused:
            said = refusal(target, self.timeout, program)
            assert re.search(self.refused, said), said
        else:
            attach_and_leave(target, figures, self.timeout, program, self.meanwhile)
        self.after(target)
        assert target.is_well()


def refusal(target: Target, timeout: float, program: Path) -> str:
    """Return why an attach is refused, or has failed; fails if it is neither."""
    try:
        attach_and_leave(target, Figures(), timeout, program)
    except CovattachError as error:
        return f"{error}\n{error.details}\n{getattr(error, 'traceback', '')}"
    raise AssertionError("it was attached to")


class Embedding(Hazard):
    """A program in C that embeds Python, and waits in a way that is its argument."""

    def begin(self, launch: Launch, interpreter: Interpreter, folder: Path) -> Target:
        """Build and start it."""
        host = hosts.embedding(interpreter, folder, "-rdynamic")
        return launch(host, *self.arguments, bare=True, env=hosts.home(interpreter))


class Loading(Hazard):
    """A program in C that has libpython, and no Python."""

    def begin(self, launch: Launch, interpreter: Interpreter, folder: Path) -> Target:
        """Build and start it."""
        host, library = hosts.loading(interpreter, folder), hosts.config(interpreter)["loaded"][0]
        return launch(host, *self.arguments, library, bare=True, env=hosts.home(interpreter))


class SmallStacks(Hazard):
    """Threads with the smallest stacks on which Python itself can run."""

    def arguments_on(self, interpreter: Interpreter) -> tuple[str, ...]:
        """Return their size."""
        return (str(32768 if interpreter.minor < (3, 14) else 1 << 16),)


class Allowing(Hazard):
    """A seccomp filter that kills at all system calls but those of a session."""

    def arguments_on(self, interpreter: Interpreter) -> tuple[str, ...]:
        """Return the filter."""
        return ("kill", "allow", filters.allowed(interpreter.minor))


def begin_python(target: Target) -> None:
    """Have a program that had no Python use it."""
    target.tell("")
    target.line("answer")


def let_go(target: Target) -> None:
    """Have a target that keeps the GIL give it away; nothing of ours is left then."""
    target.line("keeps")
    target.tell("let go")
    target.line("alone")


def break_agent(target: Target) -> None:
    """Make the agent fail; the session ends, and its lines until then are saved."""
    call_later(target)
    (folder,) = target.folders
    target.ask("setattr(sys.covattach.covattach.listener, 'attend', None)")
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(str(folder / "agent.sock"))
    own = target.ask("threading.active_count()")
    wait_for(lambda: len(target.traces()["threads"]) == own, "the end of the agent's thread")
