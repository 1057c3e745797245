"""The texts that a target has loaded: whether a source on disk is still the loaded one.

    look(snapshots, since, names, unseen) -> {name in reports: Text}  for the data file

A source that is older than the process is unchanged, unless a folder or link on its path was
replaced.  A newer one may have been written before it was imported.  Then it is the one that Python
has compiled: the header of a .pyc identifies its text.  Without a .pyc, it must fit the module, see
text_fit.py.
"""

from __future__ import annotations

import _imp
import contextlib
import hashlib
import os
import stat
import struct
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from covattach.budget import BUDGET
from covattach.process.source_access import LARGEST, current_files
from covattach.reports.folder_exchanges import MAYBE, NOT, SURELY, Exchanges
from covattach.reports.work_limits import FILE
from covattach.snapshot.imported_modules import ImportedModules, is_utf8, merged
from covattach.snapshot.snapshot import Snapshot

# Is a source the loaded one?  LIKELY unless the module contradicts it, PERHAPS if it proves it.
SAME, LIKELY, PERHAPS, CHANGED = "same", "likely", "perhaps", "changed"
Pythons = set[tuple[tuple[int, int] | None, int | None]]  # versions, and numbers of -O options
Header = tuple[bytes, int, bytes]  # of a .pyc: the magic number, flags, and the source's facts
CHECKED = 1  # a flag of a .pyc: it has a hash of its source instead of a time (PEP 552)
AFTER = {NOT: SAME, MAYBE: LIKELY, SURELY: PERHAPS}  # by whether a folder or link was replaced


class Text(NamedTuple):
    """Whether a source was the loaded one when it was read (SAME, …, CHANGED), and its digest then.

    The digest is "" for a source that was not there, or for two that differ under one name.
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

    `since`, in seconds since 1970, is when the session began.  `names` maps a file name of the
    target to that in reports.  In the `unseen` files nothing ran since: of these, the ones imported
    before are taken.
    """
    ran = {name for snapshot in snapshots for name in snapshot.files}
    told = [snapshot.loads for snapshot in snapshots]
    loads = merged(told, ran.union(unseen))
    before = {name for name in unseen if loads.names_of(name)}
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
    """Return the Text for one name in reports, to which two files of the target are mapped."""
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
    """Return the Text of the source `name`; None if it does not exist, or is not a plain file.

    It was loaded after `since`, or after the process began if `loads` has it.  `pythons` may have
    compiled it.  If `is_mapped`, reports have another name for it, and a missing file counts as
    PERHAPS.  `looks` is a cache of Exchanges, by their times.
    """
    try:
        files = current_files().of(name)
        facts = files.stat(name)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > LARGEST:
            return None
        content = files.read(name, LARGEST)
    except (OSError, ValueError):
        return Text(PERHAPS, "") if is_mapped else None
    held = loads.names_of(name)
    oldest = loads.since if held else since
    if oldest is None:
        return Text(SAME, digest_of(content))
    noted = loads.noted_of(held) if held else None
    state = state_of(facts, content, oldest, noted, compiled_of(name, pythons, loads.prefix))
    if state == SAME:
        look = looks.setdefault(oldest, Exchanges(oldest))
        state = AFTER[max(map(look.of, [name, *held]))]
    return Text(state, digest_of(content))


def compiled_of(name: str, pythons: Pythons, prefix: str) -> Iterator[tuple[Header, float]]:
    """Yield the header of each existing .pyc of the source `name`, and that file's mtime."""
    files = current_files().of(name)
    for compiled in compiled_names(name, pythons, prefix):
        with contextlib.suppress(OSError, ValueError, struct.error):
            header = struct.unpack("<4sI8s", files.read(compiled, 16))
            yield header, files.stat(compiled).st_mtime


def state_of(
    facts: os.stat_result,
    content: bytes,
    oldest: float,
    noted: float | None,
    compiled: Iterable[tuple[Header, float]],
) -> str:
    """Return SAME, …, CHANGED for a source, as far as timestamps and .pyc files tell.

    `facts` are its stat, `compiled` its results of `compiled_of`.  It was loaded after `oldest` and
    before `noted`, in seconds since 1970; `noted` is None where no process has reported the load.
    """
    newest = max(facts.st_mtime, facts.st_ctime)
    if newest <= oldest:
        return SAME
    is_late = noted is not None and newest > noted
    for header, compiled_at in compiled:
        is_newer = compiled_at >= int(oldest)
        if noted is not None and is_late and compiled_at > noted:
            continue  # another process compiled it, after the target had loaded the source
        if is_of(header, facts, content):
            if is_newer:  # somebody else may have compiled it anew
                return LIKELY if noted is None else PERHAPS
            return SAME
        if is_newer:
            return CHANGED  # since it was compiled
    return CHANGED if is_late else PERHAPS


def is_of(header: Header, facts: os.stat_result, content: bytes) -> bool:
    """Tell whether a .pyc with this header was compiled from a source with these facts and content.

    As importlib's _bootstrap_external.py does.
    """
    magic, flags, rest = header
    if flags & CHECKED:
        return _imp.source_hash(int.from_bytes(magic, "little"), content) == rest
    mtime, size = struct.unpack("<2I", rest)
    now = int(facts.st_mtime) & 0xFFFFFFFF, facts.st_size & 0xFFFFFFFF
    return bool((mtime, size) == now)


def compiled_names(name: str, pythons: Pythons, prefix: str) -> list[str]:
    """Return the paths of a source's .pyc files, for each Python that may have loaded it.

    They need not exist.  `prefix` is the target's sys.pycache_prefix, or "".
    """
    folder, _, base = name.rpartition("/")
    folder = f"{prefix}{folder}" if prefix else f"{folder}/__pycache__"
    found = []
    for python, optimize in pythons:
        major, minor = python or (0, 0)
        level = f".opt-{optimize}" if optimize else ""
        found.append(f"{folder}/{base.rpartition('.')[0]}.cpython-{major}{minor}{level}.pyc")
    return found


def digest_of(content: bytes) -> str:
    """Return the SHA-256 digest of a source's content, in hex."""
    return hashlib.sha256(content).hexdigest()


def to_note(texts: Mapping[str, Text]) -> dict[str, list[str]]:
    """Return `texts` for the note in a data file (JSON), without names that are not UTF-8."""
    return {name: list(text) for name, text in texts.items() if is_utf8(name)}


def from_note(note: dict[str, Any]) -> dict[str, Text]:
    """Return the texts in our note in a data file, without malformed ones."""
    return {
        name: Text(*entry)
        for name, entry in note.items()
        if isinstance(entry, list) and [type(part) for part in entry] == [str, str]
    }
