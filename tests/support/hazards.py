"""Hazards: states of targets that could be a danger in an attach, and how each is tested."""

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
ATTACHES = 200  # at least so many for each hazard, on all its interpreters together


def everywhere(_: Interpreter) -> bool:
    """Whether a hazard that needs nothing special can be tested: always True."""
    return True


def shared(interpreter: Interpreter) -> bool:
    """Whether the interpreter has a shared libpython that a program can load."""
    return interpreter.id.partition("-")[2] in ("pyenv", "shared")


def static(interpreter: Interpreter) -> bool:
    """Whether a program in C can be linked with the interpreter's static library."""
    return interpreter.id.endswith("-pyenv")


def as_it_was(target: Target) -> None:
    """Fail unless the target answers."""
    assert target.ask("1") == 1


def nothing(_: Target) -> None:
    """Do nothing: for a hazard without this step."""


def asking(*questions: tuple[str, object]) -> Act:
    """Return an act that asks a target for the values of expressions, and compares the answers.

    `questions` are pairs of an expression and the value that it must have.
    """

    def act(target: Target) -> None:
        for expression, expected in questions:
            assert target.ask(expression) == expected, expression

    return act


def doing(expression: str) -> Act:
    """Return an act that evaluates `expression` in a target, and then has it call `later`."""

    def act(target: Target) -> None:
        target.ask(expression)
        call_later(target)

    return act


@dataclass(frozen=True)
class Hazard:
    """A state of a target that could be a danger: its program, its arguments, and its test.

    `where` tells on which interpreters there can be such a target.  `prepare` brings the state
    about, and `meanwhile` is done while the target is measured.  `after` checks it at the end of
    each attach, and `finish` at the end of all.  Unless it `lasts`, each attach has a new target.
    If `refused` is not empty, each attach must fail, with a message that this pattern matches.
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
        """The interpreters on which it is tested."""
        return [one for one in interpreters() if self.where(one)]

    @property
    def rounds(self) -> int:
        """How many attaches to make on each interpreter."""
        return math.ceil(ATTACHES / len(self.interpreters))

    def launch(self, launch: Launch, interpreter: Interpreter, folder: Path) -> Target:
        """Start a target, and bring it into this state."""
        target = self.begin(launch, interpreter, folder)
        self.prepare(target)
        return target

    def begin(self, launch: Launch, interpreter: Interpreter, folder: Path) -> Target:
        """Start a target that `prepare` can then bring into this state."""
        words = self.arguments_on(interpreter)
        return launch(interpreter, self.script, *words, options=self.options)

    def arguments_on(self, interpreter: Interpreter) -> tuple[str, ...]:
        """Return the program's arguments on this interpreter: by default the hazard's name."""
        return self.arguments or (self.name,)

    def attach(self, target: Target, figures: Figures) -> None:
        """Attach, check that a new line is measured, and stop, or that the attach is refused."""
        program = TARGETS / self.script
        if self.refused:
            said = refusal(target, self.timeout, program)
            assert re.search(self.refused, said), said
        else:
            attach_and_leave(target, figures, self.timeout, program, self.meanwhile)
        self.after(target)
        assert target.is_well()


def refusal(target: Target, timeout: float, program: Path) -> str:
    """Return the text of the error by which an attach fails; AssertionError if it does not fail."""
    try:
        attach_and_leave(target, Figures(), timeout, program)
    except CovattachError as error:
        return f"{error}\n{error.details}\n{getattr(error, 'traceback', '')}"
    raise AssertionError("it was attached to")


class Embedding(Hazard):
    """A program in C that embeds Python; its argument says how it waits."""

    def begin(self, launch: Launch, interpreter: Interpreter, folder: Path) -> Target:
        """Build the program, and start it."""
        host = hosts.embedding(interpreter, folder, "-rdynamic")
        return launch(host, *self.arguments, bare=True, env=hosts.home(interpreter))


class Loading(Hazard):
    """A program in C that loads libpython at run time; its argument says how it uses it."""

    def begin(self, launch: Launch, interpreter: Interpreter, folder: Path) -> Target:
        """Build the program, and start it."""
        host, library = hosts.loading(interpreter, folder), hosts.config(interpreter)["loaded"][0]
        return launch(host, *self.arguments, library, bare=True, env=hosts.home(interpreter))


class SmallStacks(Hazard):
    """A target whose threads have the smallest stacks on which Python itself can run."""

    def arguments_on(self, interpreter: Interpreter) -> tuple[str, ...]:
        """Return the size of these stacks in bytes."""
        return (str(32768 if interpreter.minor < (3, 14) else 1 << 16),)


class Allowing(Hazard):
    """A target whose seccomp filter kills it at all system calls but those of a session."""

    def arguments_on(self, interpreter: Interpreter) -> tuple[str, ...]:
        """Return the filter, as filtered.py takes it."""
        return ("kill", "allow", filters.allowed(interpreter.minor))


def begin_python(target: Target) -> None:
    """Have a program that has not used Python do so, and wait for its answer."""
    target.tell("")
    target.line("answer")


def let_go(target: Target) -> None:
    """Have a target that keeps the GIL release it, and wait until nothing of ours is left in it."""
    target.line("keeps")
    target.tell("let go")
    target.line("alone")


def break_agent(target: Target) -> None:
    """Make the agent fail: the session ends, and the lines that ran until then are saved."""
    call_later(target)
    (folder,) = target.folders
    target.ask("setattr(sys.covattach.covattach.listener, 'attend', None)")
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(str(folder / "agent.sock"))
    own = target.ask("threading.active_count()")
    wait_for(lambda: len(target.traces()["threads"]) == own, "the end of the agent's thread")
