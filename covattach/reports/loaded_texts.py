"""The texts that a target has loaded: whether a source is still as it was then.

    look(snapshots, since, names, unseen) -> {name in reports: Text}  for the data file
    fits(tree, source, loads, ran) -> bool | None                     where that leaves it open

A source that is older than the process is as it was, unless a folder or a link on the way to it
was exchanged.  A newer one may have been written before it was imported.  Then it is the one that
Python has compiled: the header of a .pyc identifies its text.  Without a .pyc, it must fit the
module's functions and names, and the lines that ran.
"""

from __future__ import annotations

import _imp
import ast
import contextlib
import hashlib
import io
import os
import stat
import struct
import tokenize
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from covattach.budget import BUDGET
from covattach.process.source_access import LARGEST, current_files
from covattach.reports.folder_exchanges import MAYBE, NOT, SURELY, Exchanges
from covattach.reports.import_time.blocks import Definition, first_line, runs_once
from covattach.reports.import_time.name_bindings import Scope
from covattach.reports.work_limits import FILE
from covattach.snapshot.imported_modules import ImportedModule, ImportedModules, is_utf8, merged
from covattach.snapshot.snapshot import Snapshot

# LIKELY unless the module contradicts it, PERHAPS if the module proves it.
SAME, LIKELY, PERHAPS, CHANGED = "same", "likely", "perhaps", "changed"
Pythons = set[tuple[tuple[int, int] | None, int | None]]  # versions, and how many -O
CHECKED = 1  # a flag of a .pyc: it has a hash of its source instead of a time (PEP 552)
AFTER = {NOT: SAME, MAYBE: LIKELY, SURELY: PERHAPS}  # an exchange of a folder or link on the way
NO_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
SIMPLE = ast.Assign | ast.AugAssign | ast.Import | ast.ImportFrom | Definition


class Text(NamedTuple):
    """Whether a source was the loaded one when it was looked at, and its digest then.

    The digest is "" for a source that was not there.
    """

    state: str
    digest: str


def look(
    snapshots: Sequence[Snapshot],
    since: float | None,
    names: Callable[[str], str],
    unseen: Collection[str] = (),
) -> dict[str, Text]:
    """Return the states and digests of the sources that were loaded, by their names in reports.

    `since`, in seconds since 1970, is when the session began; `names` gives a file of the target's
    its name in reports.  Of the `unseen` ones, of which nothing ran since, some were loaded before.
    """
    ran = {name for snapshot in snapshots for name in snapshot.files}
    told = [snapshot.loads for snapshot in snapshots]
    loads = merged(told, ran.union(unseen))
    before = {name for name in unseen if loads.of(name)}
    BUDGET.earn(FILE * len(before), 0)
    pythons = {next(iter(held))[3:5] for one in told for held in [*one.files.values()][:1]}
    found: dict[str, Text] = {}
    looks: dict[float, Exchanges] = {}
    for name in sorted(ran | before):
        text = looked_at(name, since, loads, pythons, names(name) != name, looks)
        if text is not None:
            known = found.setdefault(names(name), text)
            found[names(name)] = together(known, text)
    return found


def together(one: Text, other: Text) -> Text:
    """Return the text of a file in reports that two files of the target are mapped to."""
    if one.digest != other.digest and one.digest and other.digest:
        return Text(CHANGED, "")  # two releases: their lines are not the same
    states = {one.state, other.state}
    state = next(state for state in (CHANGED, PERHAPS, LIKELY, SAME) if state in states)
    return Text(state, one.digest or other.digest)


def looked_at(
    name: str,
    since: float | None,
    loads: ImportedModules,
    pythons: Pythons,
    is_mapped: bool,
    looks: dict[float, Exchanges],
) -> Text | None:
    """Return the text of one source; None if it does not exist, or is not a plain file.

    `looks` are those at exchanged folders that there were, by the times since when.
    """
    try:
        files = current_files().of(name)
        facts = files.stat(name)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > LARGEST:
            return None
        content = files.read(name, LARGEST)
    except (OSError, ValueError):
        return Text(PERHAPS, "") if is_mapped else None
    state = state_of(name, facts, content, since, loads, pythons)
    oldest = loads.since if loads.of(name) else since
    if oldest is not None and state == SAME:
        look = looks.setdefault(oldest, Exchanges(oldest))
        state = AFTER[max(map(look.of, [name, *loads.names_of(name)]))]
    return Text(state, digest_of(content))


def state_of(
    name: str,
    facts: os.stat_result,
    content: bytes,
    since: float | None,
    loads: ImportedModules,
    pythons: Pythons,
) -> str:
    """Return whether a source is the loaded one, as far as times and .pyc files tell."""
    held = loads.of(name)
    oldest = loads.since if held else since
    newest = max(facts.st_mtime, facts.st_ctime)
    if oldest is None or newest <= oldest:
        return SAME
    noted = loads.noted_of(name)
    is_late = newest > noted
    for compiled in compiled_names(name, pythons, loads.prefix):
        try:
            files = current_files().of(name)
            header = struct.unpack("<4sI8s", files.read(compiled, 16))
            compiled_at = files.stat(compiled).st_mtime
        except (OSError, ValueError, struct.error):
            continue
        is_newer = compiled_at >= int(oldest)
        if held and is_late and compiled_at > noted:
            continue  # by somebody else: the target had loaded it before
        if is_of(header, facts, content):
            if is_newer:
                return PERHAPS if held else LIKELY  # somebody else may have compiled it anew
            return SAME
        if is_newer:
            return CHANGED  # since it was compiled
    return CHANGED if held and is_late else PERHAPS


def is_of(header: tuple[bytes, int, bytes], facts: os.stat_result, content: bytes) -> bool:
    """Tell whether the header of a .pyc is of that text (importlib's _bootstrap_external.py)."""
    magic, flags, rest = header
    if flags & CHECKED:
        return _imp.source_hash(int.from_bytes(magic, "little"), content) == rest
    mtime, size = struct.unpack("<2I", rest)
    now = int(facts.st_mtime) & 0xFFFFFFFF, facts.st_size & 0xFFFFFFFF
    return bool((mtime, size) == now)


def compiled_names(name: str, pythons: Pythons, prefix: str) -> list[str]:
    """Return where the .pyc of a source would be, for each Python that may have loaded it."""
    folder, _, base = name.rpartition("/")
    folder = f"{prefix}{folder}" if prefix else f"{folder}/__pycache__"
    found = []
    for python, optimize in pythons:
        major, minor = python or (0, 0)
        level = f".opt-{optimize}" if optimize else ""
        found.append(f"{folder}/{base.rpartition('.')[0]}.cpython-{major}{minor}{level}.pyc")
    return found


def digest_of(content: bytes) -> str:
    """Return a digest of a text."""
    return hashlib.sha256(content).hexdigest()


def to_note(texts: Mapping[str, Text]) -> dict[str, list[str]]:
    """Return the same for JSON."""
    return {name: list(text) for name, text in texts.items() if is_utf8(name)}


def from_note(note: dict[str, Any]) -> dict[str, Text]:
    """Return the texts in our note in a data file, without malformed ones."""
    return {
        name: Text(*entry)
        for name, entry in note.items()
        if isinstance(entry, list) and [type(part) for part in entry] == [str, str]
    }


def fits(
    tree: ast.Module, source: str, loads: Iterable[ImportedModule], ran: set[int]
) -> bool | None:
    """Tell whether a source is one that the modules can have been made of.

    `ran` are the lines that ran while measured, as they were told.  True where something proves it:
    a function of the module begins where the source has one, or the names are all there, or its top
    level ran.  None where nothing tells.
    """
    if not are_code(ran, source):
        return False
    top = [first_line(one) for one in tree.body if isinstance(one, SIMPLE) and runs_once(one)]
    begun = [line for line in top if line in ran]
    if begun and any(line < begun[-1] and line not in ran for line in top if line > begun[0]):
        return False
    made = [is_made_of(tree, load) for load in loads]
    if False in made:
        return False
    return (any(made) or (not made and bool(begun))) or None


def are_code(lines: set[int], source: str) -> bool:
    """Tell whether all these lines are there, and none is blank or a comment; 0 is no line."""
    text = source.split("\n")  # Python knows no other ends of lines, such as form feeds
    found = {0, *(n for n, line in enumerate(text, 1) if line.strip() and line.lstrip()[0] != "#")}
    return lines <= found or lines <= found | lines_of_tokens(source)


def lines_of_tokens(source: str) -> set[int]:
    """Return the lines of tokens that are code: a string of several lines may have any in it."""
    found: set[int] = set()
    with contextlib.suppress(tokenize.TokenError, SyntaxError):
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type not in NO_CODE:
                found.update(range(token.start[0], token.end[0] + 1))
    return found


def is_made_of(tree: ast.Module, load: ImportedModule) -> bool | None:
    """Tell whether a module can have been made of a source; None where nothing tells."""
    lines = {int(line) for line in load.lines.split()}
    firsts = {
        first_line(node) if isinstance(node, ast.stmt) else node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    }
    if not lines <= firsts:
        return False
    scope, there = Scope(tree), {name.lstrip(".") for name in load.names.split()}
    bound = {name for one in tree.body for name in scope.certain(one)}
    if load.reached is None and not bound <= there:
        return False
    return bool(lines or bound) or None
