"""Blocks of statements in a syntax tree: their lines, functions and flow of control."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef
Loop = ast.For | ast.AsyncFor | ast.While
With = ast.With | ast.AsyncWith
BLOCKS = ("body", "orelse", "finalbody")


def first_line(statement: ast.stmt) -> int:
    """Return the first line of a statement, its decorators included."""
    decorators = statement.decorator_list if isinstance(statement, Definition) else []
    return min([statement.lineno, *(one.lineno for one in decorators)])


def span(block: list[ast.stmt]) -> range:
    """Return the lines of a block of statements; an empty range for an empty block."""
    last = block[-1] if block else None
    return range(first_line(block[0]), (last.end_lineno or last.lineno) + 1) if last else range(0)


def blocks(statement: ast.AST) -> Iterator[list[ast.stmt]]:
    """Yield the blocks of a compound statement, such as the bodies of its `else` and handlers."""
    for name in BLOCKS:
        block = getattr(statement, name, None)
        if block and isinstance(block, list):
            yield block
    for part in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
        yield part.body


def functions(block: Iterable[ast.stmt]) -> Iterator[Function]:
    """Yield the functions defined in a block, its nested blocks and its classes.

    Functions within functions are left out.
    """
    for statement in block:
        if isinstance(statement, Function):
            yield statement
        else:
            for inner in blocks(statement):
                yield from functions(inner)


def function_lines(tree: ast.Module) -> set[int]:
    """Return the lines of all function bodies; a body in the line of its `def` is left out."""
    return {
        line
        for function in functions(tree.body)
        for line in span(function.body)
        if line != function.lineno
    }


def header(definition: Definition) -> set[int]:
    """Return the lines of a definition's decorators, and of its `def` or `class`."""
    return {definition.lineno, *(one.lineno for one in definition.decorator_list)}


def has_begun(block: list[ast.stmt], line: int) -> int:
    """Return the last line in `block` that may have run when control is at `line`.

    Control only goes forward, except in loops.  A `with` comes back to its first line at the end.
    """
    for statement in block:
        if line in span([statement]):
            inside = [inner for inner in blocks(statement) if line in span(inner)]
            if inside and not isinstance(statement, Loop | Definition):
                return has_begun(inside[0], line)
            is_whole = isinstance(statement, Loop | Definition | With)
            is_whole = is_whole or not list(blocks(statement))
            return statement.end_lineno or line if is_whole else line
    return line


def stood_in(block: list[ast.stmt], line: int) -> range:
    """Return the lines of the definition or simple statement in `block` that contains `line`.

    An empty range if there is none.  A simple statement is one without blocks.
    """
    for statement in block:
        if line in span([statement]):
            inside = [inner for inner in blocks(statement) if line in span(inner)]
            if inside and not isinstance(statement, Definition):
                return stood_in(inside[0], line)
            is_whole = isinstance(statement, Definition) or not list(blocks(statement))
            return span([statement]) if is_whole else range(0)
    return range(0)


def runs_once(statement: ast.stmt) -> bool:
    """Tell whether a statement's first line holds no function's code, which calls would run.

    Annotations are functions, too, from 3.14 on.
    """
    later: list[ast.AST | None] = []
    for node in ast.walk(statement):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            later += [*node.body, node.returns]
        elif isinstance(node, ast.Lambda):
            later.append(node.body)
        elif isinstance(node, ast.GeneratorExp):
            later.append(node.elt)
        elif isinstance(node, ast.arg | ast.AnnAssign):
            later.append(node.annotation)
    first = first_line(statement)
    return not any(getattr(one, "lineno", None) in (first, statement.lineno) for one in later)
