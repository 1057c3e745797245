"""The functions that ran: executed lines, grouped by the functions in their sources.

    functions(parts, cwd) -> list[Function]     in the order in which they first ran

A line belongs to the innermost function whose body it is in.  Lines in none (the top level of a
module or class, and lambdas there) count as one function without a name.
"""

from __future__ import annotations

import ast
import io
import stat
import tokenize
import warnings
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from covattach.budget import TooMuch, limited
from covattach.process.source_access import LARGEST, current_files
from covattach.reports import work_limits
from covattach.reports.import_time import blocks
from covattach.reports.source_files import inside
from covattach.snapshot.lines_and_arcs import HIGHEST_LINE, SnapshotError
from covattach.untrusted import is_number

OUTSIDE = ""  # the name for lines in no function


class Entry(NamedTuple):
    """The first call of a function: its file, first line, name, and ms since the window began."""

    file: str
    line: int
    name: str
    ms: float


@dataclass
class Part:
    """The executed lines of one process, by file, the first calls of functions, and older lines.

    `before` are lines that ran earlier, None if unknown.  `offset`, in ms, is added to `Entry.ms`.
    """

    lines: dict[str, set[int]]
    entries: list[Entry]
    before: dict[str, set[int]] | None = None
    offset: float = 0.0


@dataclass
class Function:
    """A function that ran: its executed lines, and those of them that had not run before (`new`).

    `line` is where it begins, its decorators included; for OUTSIDE, the first line that ran.  `ms`
    is when it was first called, or None if unknown.  `text` has the lines' source, as far as it can
    be read.  `is_empty` if its body is only a docstring, which nothing executes: a call of it then
    counts as the line of the `def`.
    """

    file: str
    name: str
    line: int
    lines: list[int] = field(default_factory=list)
    new: set[int] = field(default_factory=set)
    ms: float | None = None
    text: dict[int, str] = field(default_factory=dict)
    is_empty: bool = False


@dataclass(frozen=True)
class Span:
    """The position of a function in its source: its first line, and the lines of its body.

    `is_short` if the body begins in the line of the `def`, which also runs at the definition.
    `is_empty` if it does so because there is nothing but a docstring.
    """

    name: str
    first: int
    body: range
    is_short: bool = False
    is_empty: bool = False


def check_entries(found: Any) -> list[Entry]:
    """Return the list of entries `found` in a target's reply, checked; raises SnapshotError."""
    if not isinstance(found, list):
        raise SnapshotError("its list of functions is not one")
    for entry in found:
        kinds = [type(part) for part in entry] if isinstance(entry, list) else []
        is_entry = kinds in ([str, int, str, float], [str, int, str, int])
        if not (is_entry and 0 <= entry[1] <= HIGHEST_LINE and is_number(entry[3])):
            raise SnapshotError("a function in it is not a place and a time")
    return [Entry(*entry) for entry in found]


def lines_of(files: dict[str, Any]) -> dict[str, set[int]]:
    """Return the executed lines of each file in `files`, which has lines or arcs (line pairs)."""
    return {
        name: {
            line
            for point in held
            for line in (point if isinstance(point, tuple) else (point,))
            if line > 0
        }
        for name, held in files.items()
    }


def functions(parts: Iterable[Part], cwd: Path) -> list[Function]:
    """Return the functions that ran: those with a known time of their first call come first.

    The others follow by file and line.  Relative file names start from `cwd`.
    """
    parts = list(parts)
    lines = union(part.lines for part in parts)
    before = union(part.before or {} for part in parts)
    known = first_entries(parts)
    found = []
    with inside(cwd):
        for file in sorted(lines):
            new = lines[file] - before.get(file, set())
            found += of_file_within(file, lines[file], new, known.get(file, {}))
    return sorted(found, key=lambda one: (one.ms is None, one.ms or 0, one.file, one.line))


def union(parts: Iterable[dict[str, set[int]]]) -> dict[str, set[int]]:
    """Return the union of the parts' lines, by file, without files that have no lines."""
    found: dict[str, set[int]] = {}
    for part in parts:
        for name, held in part.items():
            if held:
                found.setdefault(name, set()).update(held)
    return found


def first_entries(parts: list[Part]) -> dict[str, dict[int, Entry]]:
    """Return the earliest entry in any process, by file and then by the function's first line."""
    found: dict[str, dict[int, Entry]] = {}
    for part in parts:
        for entry in part.entries:
            entry = entry._replace(ms=entry.ms + part.offset)
            known = found.setdefault(entry.file, {})
            known[entry.line] = min(entry, known.get(entry.line, entry), key=lambda one: one.ms)
    return found


def of_file_within(
    file: str, ran: set[int], new: set[int], known: dict[int, Entry]
) -> list[Function]:
    """Call `of_file` with limits of time and memory; beyond them, all lines are in no function."""
    size, points = work_limits.size_of(file), len(ran) + len(known)
    honest = work_limits.ANALYSIS * size + work_limits.POINT * points
    try:
        with limited(f"The source {file}", honest, work_limits.TREE * (size + points)):
            return of_file(file, ran, new, known)
    except TooMuch as error:
        first = min(ran)
        text = {first: f"(This source {error.reason}.)"}
        return [Function(file, OUTSIDE, first, sorted(ran), new, text=text)]


def of_file(file: str, ran: set[int], new: set[int], known: dict[int, Entry]) -> list[Function]:
    """Return the functions of one file with lines in `ran`; `known` maps first lines to entries."""
    text, spans = source_of(file) or ([], guessed(known, ran))
    if known:
        spans = [span for span in spans if span.first in known or not span.is_short]
    told = sorted({*ran, *known})
    inner = {line: span for span in spans for line in within(told, span.body)}
    firsts = {span.first for span in spans}
    others = [one.ms for line, one in known.items() if line not in inner and line not in firsts]
    found: dict[int, Function] = {}
    for line in sorted(ran):
        span = inner.get(line)
        place = span.first if span else 0
        if place not in found:
            name, is_empty = (span.name, span.is_empty) if span else (OUTSIDE, False)
            found[place] = Function(file, name, place or line, is_empty=is_empty)
        found[place].lines.append(line)
        found[place].text[line] = text[line - 1] if line <= len(text) else ""
    for place, function in found.items():
        function.new = new.intersection(function.lines)
        function.ms = known[place].ms if place in known else None
    if 0 in found:
        found[0].ms = min(others, default=None)
    return list(found.values())


def within(lines: list[int], body: range) -> list[int]:
    """Return the sorted lines that are in `body`, which may have millions."""
    return lines[bisect_left(lines, body.start) : bisect_left(lines, body.stop)]


def source_of(file: str) -> tuple[list[str], list[Span]] | None:
    """Return the lines of a source file and its functions; None if it cannot be read or parsed."""
    try:
        facts = current_files().stat(file)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > LARGEST:
            return None
        content = current_files().read(file, LARGEST)
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        text = content.decode(encoding)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's on the source are for its author
            spans = list(spans_below(ast.parse(text), ""))
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return None
    return io.StringIO(text, newline=None).read().split("\n"), spans


def spans_below(node: ast.AST, prefix: str) -> Iterator[Span]:
    """Yield the functions below a node, outer ones first; `prefix` comes before their names."""
    for child in ast.iter_child_nodes(node):
        inner = prefix
        if isinstance(child, blocks.Definition):
            inner = f"{prefix}{child.name}."
        if isinstance(child, blocks.Function):
            body = blocks.span(child.body)
            is_empty = ast.get_docstring(child, clean=False) is not None and len(child.body) == 1
            if is_empty:
                body = range(child.lineno, body.stop)  # all that runs is the line of the `def`
            is_short = body.start == child.lineno
            yield Span(prefix + child.name, blocks.first_line(child), body, is_short, is_empty)
        yield from spans_below(child, inner)


def guessed(known: dict[int, Entry], ran: set[int]) -> list[Span]:
    """Return functions guessed without a source: from each known first line to the next."""
    firsts = sorted(known)
    ends = [*firsts, max(ran) + 1][1:]
    return [
        Span(known[first].name, first, range(first, end))
        for first, end in zip(firsts, ends, strict=True)
    ]


def only_new(ran: list[Function]) -> list[Function]:
    """Return the functions that have new lines, each with these lines only."""
    return [replace(one, lines=sorted(one.new)) for one in ran if one.new]


def difference(first: dict[str, set[int]], second: dict[str, set[int]]) -> Part:
    """Return the lines that ran in only one of two windows; those of the `second` count as new."""
    lines = {name: first.get(name, set()) ^ second.get(name, set()) for name in {*first, *second}}
    return Part(lines, [], first)
