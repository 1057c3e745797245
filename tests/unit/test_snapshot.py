"""A target's snapshot is checked before it is believed."""

from __future__ import annotations

import contextlib
import json
import marshal
import os
import random
from array import array
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from covattach.snapshot.saved_file import read_snapshot
from covattach.snapshot.snapshot import HIGHEST_LINE, SnapshotError, decode

NAMES = ["/srv/app.py", "relative.py", "/srv/Grüße & <b>.py", "/srv/a\nb.py", "/srv/" + "x" * 250]
TAKEN = 1_700_000_000.5


def encode(kind: str, files: dict[str, Any], **more: Any) -> tuple[dict[str, Any], bytes]:
    """Return a header and a blob as payloads/snapshot/snapshot.py makes them."""
    counted, blob = [], b""
    for name, held in files.items():
        flat = [end for arc in held for end in arc] if kind == "arcs" else list(held)
        counted.append([name, len(flat)])
        blob += array("q", flat).tobytes()
    return {"kind": kind, "files": counted, "file_tracers": {}, "taken": TAKEN, **more}, blob


def marshalled(kind: str, files: dict[str, Any], batch: int) -> tuple[dict[str, Any], bytes]:
    """Return the same as a target sends lines, or pairs of lines, so many files at a time."""
    header, _ = encode(kind, files, marshalled=batch)
    every = list(files.values())
    lists = [list(chain(*every[at : at + batch])) for at in range(0, len(every), batch)]
    return header, b"".join(marshal.dumps(some, 2) for some in lists)


def pack(first: int, second: int) -> int:
    """Return an arc as coverage's C tracer packs it."""
    signs = (first < 0) << 56 | (second < 0) << 57
    return abs(second) << 28 | abs(first) | signs


def dice_for(seed: int) -> random.Random:
    """Return dice that fall the same way in each run of the tests."""
    return random.Random(seed)  # noqa: S311


def some_arcs(dice: random.Random) -> dict[str, set[tuple[int, int]]]:
    """Return random arcs of some files; some files have none."""
    return {
        name: {
            (dice.randint(-HIGHEST_LINE, HIGHEST_LINE), dice.randint(-900, 900))
            for _ in range(dice.randrange(40))
        }
        for name in dice.sample(NAMES, dice.randrange(len(NAMES) + 1))
    }


@pytest.mark.parametrize("seed", range(50))
@pytest.mark.parametrize("kind", ["lines", "arcs", "packed"])
def test_what_was_sent_is_what_is_read(kind: str, seed: int, tmp_path: Path) -> None:
    """Every line and arc of every file comes through, over the socket and from a file."""
    # GIVEN random files, in one of the three forms
    arcs = some_arcs(dice_for(seed))
    expected: dict[str, Any] = arcs
    sent: dict[str, Any] = arcs
    if kind == "lines":
        sent = expected = {name: {abs(arc[0]) for arc in held} for name, held in arcs.items()}
    elif kind == "packed":
        sent = {name: {pack(*arc) for arc in held} for name, held in arcs.items()}
    header, blob = encode(kind, sent, pid=7)
    saved = tmp_path / "snapshot"
    saved.write_bytes(json.dumps(header).encode() + b"\n" + blob)

    # WHEN they are read, both ways
    snapshot = decode(header, blob)

    # THEN they are the same as before
    assert snapshot.files == expected
    assert snapshot == read_snapshot(saved)
    assert snapshot.taken == TAKEN
    assert snapshot.facts == {"pid": 7}
    assert snapshot.branch is (kind != "lines")
    assert snapshot.points == sum(len(held) for held in expected.values())


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("batch", [1, 2, 32])
@pytest.mark.parametrize("kind", ["lines", "arcs"])
def test_what_was_marshalled_is_read(kind: str, batch: int, seed: int) -> None:
    """Bytes that `marshal` wrote are read without it, to the last negative number."""
    # GIVEN random files
    sent: dict[str, Any] = some_arcs(dice_for(seed))
    if kind == "lines":
        sent = {name: {abs(arc[0]) for arc in held} for name, held in sent.items()}
    header, blob = marshalled(kind, sent, batch)

    # WHEN they are read / THEN they are the same as before
    assert decode(header, blob).files == sent

    # WHEN a byte is missing or changed, THEN it is refused, or read as another number
    dice = dice_for(seed)
    for _ in range(50 if blob else 0):
        damaged = bytearray(blob)
        damaged[dice.randrange(len(blob))] ^= 1 << dice.randrange(8)
        with contextlib.suppress(SnapshotError):
            found = decode(header, bytes(damaged)).files
            assert sum(map(len, found.values())) in range(sum(map(len, sent.values())) + 1)
    with pytest.raises(SnapshotError):
        decode(header, blob + b"\0")


def test_arcs_that_are_packed_by_20_bits() -> None:
    """Arcs that coverage 7.10 packs by 20 bits are unpacked likewise."""
    arcs = {(5, -7), (-1, 900_000), (12, 13)}
    packed = [
        (second < 0) << 41 | (first < 0) << 40 | abs(second) << 20 | abs(first)
        for first, second in arcs
    ]
    header, blob = encode("packed", {"/a.py": packed}, shift=20)
    assert decode(header, blob).files == {"/a.py": arcs}
    with pytest.raises(SnapshotError):
        decode({**header, "shift": 21}, blob)


def test_names_that_become_one_are_put_together() -> None:
    """A file that is reached by two names, one through a link, loses none of its lines."""
    # GIVEN a header with one name twice
    header, blob = encode("lines", {"/a.py": [1, 2], "/b.py": [3]})
    header["files"][1][0] = "/a.py"

    # WHEN it is decoded
    snapshot = decode(header, blob)

    # THEN the file has the lines of both
    assert snapshot.files == {"/a.py": {1, 2, 3}}


GOOD = encode("lines", {"/a.py": [1, 2], "/b.py": [3]})


@pytest.mark.parametrize(
    "damage",
    [
        {"kind": None},
        {"kind": "Lines"},
        {"kind": ["lines"]},
        {"kind": {}},
        {"files": None},
        {"marshalled": "1"},
        {"marshalled": -1},
        {"marshalled": 1.0},
        {"marshalled": 10**30},
        {"files": {"/a.py": 3}},
        {"files": [3]},
        {"files": [[]]},
        {"files": ["ab"]},
        {"files": [["/a.py", 3, 3]]},
        {"files": [["/a.py", "3"]]},
        {"files": [["/a.py", 3.0]]},
        {"files": [["/a.py", True], ["/b.py", 2]]},
        {"files": [["/a.py", 4], ["/b.py", -1]]},
        {"files": [["/a.py", 2]]},
        {"files": [["/a.py", 10**30]]},
        {"files": [["", 3]]},
        {"files": [[None, 3]]},
        {"files": [["/a\0b.py", 3]]},
        {"files": [["/a\udcff.py", 3]]},
        {"files": [["/" + "x" * 4096, 3]]},
        {"file_tracers": []},
        {"file_tracers": {"/a.py": 1}},
        {"file_tracers": {"/a.py": ""}},
        {"taken": None},
        {"taken": "now"},
        {"taken": True},
        {"taken": -1},
        {"taken": float("nan")},
        {"taken": float("inf")},
        {"taken": 10**400},
    ],
    ids=repr,
)
def test_a_damaged_header_is_refused(damage: dict[str, Any]) -> None:
    """A damaged header is refused in one sentence with one remedy."""
    # GIVEN a good header with one bad field
    header, blob = GOOD

    # WHEN it is decoded / THEN it is refused in words for the user
    with pytest.raises(SnapshotError) as caught:
        decode({**header, **damage}, blob)
    assert caught.value.message.startswith("The snapshot of the target is damaged: ")
    assert caught.value.message.count("\n") == 0
    assert "Dump once more" in caught.value.remedy


@pytest.mark.parametrize(
    ("kind", "numbers"),
    [
        ("lines", [-1]),
        ("lines", [HIGHEST_LINE + 1]),
        ("lines", [2**63 - 1]),
        ("arcs", [1, HIGHEST_LINE + 1]),
        ("arcs", [-HIGHEST_LINE - 1, 1]),
        ("arcs", [1, -(2**63)]),
        ("arcs", [1, 2, 3]),
        ("packed", [-1]),
        ("packed", [1 << 58]),
        ("packed", [pack(1, HIGHEST_LINE + 1)]),
        ("packed", [pack(-HIGHEST_LINE - 1, 1)]),
    ],
)
def test_impossible_lines_are_refused(kind: str, numbers: list[int]) -> None:
    """A line that no file has is refused: the data file would grow with its number."""
    # GIVEN numbers of which one is impossible
    header = {"kind": kind, "files": [["/a.py", len(numbers)]], "taken": TAKEN}

    # WHEN they are decoded / THEN they are refused
    with pytest.raises(SnapshotError):
        decode(header, array("q", numbers).tobytes())


def test_many_files_with_one_high_line_are_refused() -> None:
    """A small snapshot cannot make a data file of gigabytes."""
    # GIVEN 200 files with one high line each: 1.6 KB, which would be 250 MB in a data file
    header, blob = encode("lines", {f"/{number}.py": [HIGHEST_LINE] for number in range(200)})

    # WHEN it is decoded / THEN it is refused
    with pytest.raises(SnapshotError, match="absurdly high"):
        decode(header, blob)


@pytest.mark.parametrize("seed", range(300))
def test_random_damage_raises_nothing_else(seed: int, tmp_path: Path) -> None:
    """Bytes that are changed, cut off or added make a snapshot or a SnapshotError."""
    # GIVEN a saved snapshot with random damage
    dice = dice_for(seed)
    header, blob = encode("arcs", some_arcs(dice))
    saved = bytearray(json.dumps(header).encode() + b"\n" + blob)
    for _ in range(dice.randint(1, 6)):
        at = dice.randrange(len(saved) + 1)
        saved[at : at + dice.randrange(9)] = dice.randbytes(dice.randrange(9))
    path = tmp_path / "snapshot"
    path.write_bytes(saved)

    # WHEN it is read
    try:
        snapshot = read_snapshot(path)
    except SnapshotError:
        return  # THEN it is refused

    # THEN, or else, all its line numbers are possible
    arcs: Any = [arc for held in snapshot.files.values() for arc in held]
    assert all(abs(end) <= HIGHEST_LINE for arc in arcs for end in arc)


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"{}", b"{}\n", b"[]\n", b"nonsense\n", b"\xff\n", b"[" * 100_000 + b"\n"],
    ids=lambda content: repr(content[:9]),
)
def test_a_file_that_is_no_snapshot_is_refused(content: bytes, tmp_path: Path) -> None:
    """A file that is empty, cut off or something else is refused."""
    # GIVEN such a file
    path = tmp_path / "snapshot"
    path.write_bytes(content)

    # WHEN it is read / THEN it is refused
    with pytest.raises(SnapshotError):
        read_snapshot(path)


def test_only_plain_files_are_read(tmp_path: Path) -> None:
    """A pipe does not make us wait, and a link does not make us read another's file."""
    # GIVEN a pipe, a link to a good snapshot, a folder, and nothing
    header, blob = GOOD
    (tmp_path / "good").write_bytes(json.dumps(header).encode() + b"\n" + blob)
    (tmp_path / "link").symlink_to(tmp_path / "good")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()

    # WHEN they are read / THEN each is refused, at once
    for name in ("link", "pipe", "folder", "missing"):
        with pytest.raises(SnapshotError):
            read_snapshot(tmp_path / name)


def test_an_endless_file_takes_no_memory(tmp_path: Path) -> None:
    """A file of a terabyte, which takes no space on the disk, is refused before it is read."""
    # GIVEN a good header before a terabyte of zeros
    path = tmp_path / "snapshot"
    header = {"kind": "lines", "files": [["/a.py", 1 << 37]], "taken": TAKEN}
    with open(path, "wb") as file:
        file.write(json.dumps(header).encode() + b"\n")
        file.truncate(1 << 40)

    # WHEN it is read / THEN it is refused
    with pytest.raises(SnapshotError, match="too long"):
        read_snapshot(path)
