"""The lines of a module's top level, and of class bodies, that ran when it was imported.

    judge(tree, loads, ran) -> Judgement

A statement is said to have run where nothing else is possible: it stands before a place that was
reached, or in a block that was entered and left at its end.  The module itself proves which places
were reached: by the names in its namespace (name_bindings.py), by functions whose bodies run, by
the line where it stands.  After the last of these only the next statement is known to have begun,
and the rest is left open.  `if`, `try`, loops and the like are followed as far as the source
decides them.  Numbers of lines are those of the syntax tree.
"""

from __future__ import annotations

import ast
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field

from covattach.reports.import_time.blocks import (
    Definition,
    Loop,
    With,
    first_line,
    has_begun,
    header,
    span,
    stood_in,
)
from covattach.reports.import_time.conditions import Conditions, always_leaves, leaves, may_exit
from covattach.reports.import_time.defined_functions import defined, latest, makers
from covattach.reports.import_time.name_bindings import Scope
from covattach.snapshot.imported_modules import ImportedModule

Try = ast.Try | ast.TryStar
UNKNOWN = ImportedModule(
    None, 0, False, None
)  # a module that the target has not reported, though functions of it run


@dataclass
class Judgement:
    """The decided lines: those that `ran` on loading, and those that were `passed_over`.

    Other lines of the top level may have run or not.
    """

    ran: set[int] = field(default_factory=set)
    passed_over: set[int] = field(default_factory=set)


def judge(tree: ast.Module, loads: Iterable[ImportedModule], ran: set[int]) -> Judgement | None:
    """Return the decided lines of a module's top level; None if it was not imported before.

    `loads` are its imports.  `ran` are the first lines of the statements that ran while measured.
    """
    earlier = defined(tree, ran)
    known = set(loads) or ({UNKNOWN} if earlier else set())
    if not known:
        return None
    scope = Scope(tree)
    found = [Walk(load, made, scope).follow(tree) for load, made in makers(tree, known, earlier)]
    certain = set().union(*(header(function) for function in earlier))
    certain.update(*(one.ran for one in found))
    passed = set.intersection(*(one.passed_over for one in found)) - certain
    return Judgement(certain, passed)


class Walk:
    """One import of a module, `load`, followed through its statements.

    `starts` are the first lines of functions that it is known to have defined.  `ended` are the
    first lines of statements that have run to their end; `evidence` are lines that were reached,
    sorted.
    """

    def __init__(self, load: ImportedModule, starts: set[int], scope: Scope) -> None:
        self.load = load
        self.scope = scope
        self.conditions = Conditions(load, scope)
        self.present = {name.lstrip(".") for name in load.names.split()}
        at = {load.reached} if load.reached else set()
        # If the module's code has ended, `reached` is the first line of its last function.
        made = starts | scope.made(load) | (set() if load.is_running else at)
        ended = scope.proven(load) | (made & scope.plain)
        self.ended = self.before(ended)
        self.evidence = sorted(self.ended | self.before(made) | at)
        self.found = Judgement()
        self.loops = 0  # loops around the current statement

    def before(self, lines: set[int]) -> set[int]:
        """Return those of the lines that are not in, or after, the statement being executed.

        Names and functions from further on come from another copy of the module, or another module.
        """
        if not (self.load.is_running and self.load.reached):
            return lines
        last = latest(self.scope.tree, self.load)
        inside = stood_in(self.scope.tree.body, self.load.reached)
        return {line for line in lines if line <= last and line not in inside}

    def follow(self, tree: ast.Module) -> Judgement:
        """Return the decided lines of the module, for this one import."""
        self.block(tree.body, False)
        if self.load.is_running and self.load.reached:
            last = has_begun(tree.body, self.load.reached)
            behind = range(last + 1, span(tree.body).stop)
            self.found.ran.difference_update(behind)
            self.found.passed_over.update(behind)
        return self.found

    def reached(self, block: list[ast.stmt]) -> int:
        """Return the last line in a block that is known to have been reached; 0 if none is."""
        lines = span(block)
        at = bisect_left(self.evidence, lines.stop) - 1
        return self.evidence[at] if at >= 0 and self.evidence[at] in lines else 0

    def block(self, block: list[ast.stmt], done: bool) -> None:
        """Follow a block that was entered; `done` if control came to its end."""
        reached = self.reached(block)
        for statement in block:
            later = reached > (statement.end_lineno or statement.lineno)
            is_done = done or later or first_line(statement) in self.ended
            # In a loop that may hold for one turn only, and inner code may have run in another.
            is_sure = done or not self.loops or isinstance(statement, Definition)
            self.statement(statement, is_done and is_sure)
            if not is_done or ((leaves(statement) or may_exit(statement)) and not later):
                return

    def statement(self, statement: ast.stmt, done: bool) -> None:
        """Follow a statement that was begun; `done` if control came to the next statement."""
        if isinstance(statement, Definition):
            return self.definition(statement, done)
        if self.conditions.is_code(statement):
            self.found.ran.add(statement.lineno)
        if isinstance(statement, ast.If):
            self.choice(statement, done)
        elif isinstance(statement, Loop):
            self.loop(statement, done)
        elif isinstance(statement, With):
            if (done and is_entered(statement)) or self.reached(statement.body):
                # The block may have ended by an exception that the context manager swallowed.
                self.block(statement.body, False)
        elif isinstance(statement, Try):
            self.attempt(statement, done)
        elif isinstance(statement, ast.Match):
            self.match(statement, done)
        return None

    def definition(self, statement: Definition, done: bool) -> None:
        """Follow a function or class: decorators come first; `done` if it has been defined."""
        is_class = isinstance(statement, ast.ClassDef)
        if not (done or (is_class and self.reached(statement.body))):
            self.found.ran.add(first_line(statement))
            return
        self.found.ran.update(header(statement))
        if is_class:
            outer, self.conditions = self.conditions, Conditions(self.load, None)
            self.block(statement.body, done)
            self.conditions = outer

    def choice(self, statement: ast.If, done: bool) -> None:
        """Follow an `if`: the branch that the source decides on, or in which a line was reached."""
        outcome = self.conditions.outcome(statement.test)
        body, orelse = statement.body, statement.orelse
        if outcome is not None and self.is_contradicted(statement, outcome, done):
            outcome = None
        is_decided = outcome is not None
        if not is_decided and done:
            # A branch that never comes to its end was not taken, as control came to what follows.
            if always_leaves(body):
                outcome = False
            elif always_leaves(orelse):
                outcome = True
        for block, taken in ((body, True), (orelse, False)):
            if block and outcome is not None and outcome is not taken:
                # In a loop that holds for the turn that came to its end, not for the others.
                if is_decided or not self.loops:
                    self.found.passed_over.update(span(block))
            elif block and (outcome is taken or self.reached(block)):
                self.block(block, done)

    def is_contradicted(self, statement: ast.If, outcome: bool, done: bool) -> bool:
        """Tell whether the module's state contradicts that the test of an `if` had this outcome.

        A line of the other branch was reached, or a name that the branch binds is missing.
        """
        body, orelse = statement.body, statement.orelse
        taken, other = (body, orelse) if outcome else (orelse, body)
        is_told = done and self.load.main is not None
        return bool(self.reached(other)) or (is_told and self.scope.is_missing(taken, self.present))

    def loop(self, statement: Loop, done: bool) -> None:
        """Follow a loop; all of its body only if every turn of it came to its end."""
        left = any(isinstance(node, ast.Break | ast.Continue) for node in ast.walk(statement))
        turns = done or not isinstance(statement, ast.For)
        self.loops += 1
        if (turns and self.conditions.turns(statement)) or self.reached(statement.body):
            self.block(statement.body, done and not left)
        self.loops -= 1
        if statement.orelse and ((done and not left) or self.reached(statement.orelse)):
            self.block(statement.orelse, done and not left)

    def attempt(self, statement: Try, done: bool) -> None:
        """Follow `try`: all of it where no handler can have caught an exception and gone on."""
        caught = [not always_leaves(handler.body) for handler in statement.handlers]
        left = any(isinstance(node, ast.Break | ast.Continue) for node in ast.walk(statement))
        through = done and not left and not any(caught)
        self.block(statement.body, through or bool(self.reached(statement.orelse)))
        for number, handler in enumerate(statement.handlers):
            if self.reached(handler.body):
                self.found.ran.update(one.lineno for one in statement.handlers[: number + 1])
                self.block(handler.body, done)
            elif through and not self.loops:
                self.found.passed_over.update(
                    range(handler.lineno, (handler.end_lineno or handler.lineno) + 1)
                )
        for block, entered in ((statement.orelse, through), (statement.finalbody, done)):
            if block and (entered or self.reached(block)):
                self.block(block, done)

    def match(self, statement: ast.Match, done: bool) -> None:
        """Follow `match`: the first pattern is always tried, the others up to one that matched."""
        met = [number for number, case in enumerate(statement.cases) if self.reached(case.body)]
        tried = max(met, default=0) + 1 if done or met else 0
        self.found.ran.update(case.pattern.lineno for case in statement.cases[:tried])
        for number in met:
            self.block(statement.cases[number].body, done)


def is_entered(statement: With) -> bool:
    """Tell whether the block of a `with` was entered if control came to the next statement.

    Where there are several context managers, the first may swallow an exception that the others
    raise.  So may a single one if its result is put into anything but a name, which can fail.
    """
    first, *others = statement.items
    return not others and isinstance(first.optional_vars, ast.Name | None)
