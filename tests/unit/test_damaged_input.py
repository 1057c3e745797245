"""Input that is damaged or made up: ELF files, texts of /proc, requests, and replies of a target.

Whatever it is, the answer is the error that is meant for it, and never a traceback of ours.  The
long runs are for `make stress`.
"""

from __future__ import annotations

import contextlib
import json
import random
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from covattach.payloads.server import protocol
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from covattach import untrusted
from covattach.errors import CovattachError
from covattach.process import memory_map, process, procfs, thread_activity
from covattach.process.elf import ElfFile, NotElf
from covattach.process.interpreter import FUNCTIONS
from covattach.reports import functions
from covattach.session import agent_client, agent_errors
from covattach.snapshot import imported_modules
from covattach.snapshot.saved_file import read_snapshot
from covattach.snapshot.snapshot import decode
from covattach.trace import event_lines, messages

QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
GOOD = b'{"verb": "start", "protocol": 1, "options": {"core": "sysmon", "settings": {}}}\n'
STATUS = Path("/proc/self/status").read_text()
STAT = Path("/proc/self/stat").read_text()
MAPS = Path("/proc/self/maps").read_text()
INFO = Path("/proc/self/mountinfo").read_text()
TABLES = {"functions": len(messages.FUNCTION), "threads": len(messages.THREAD)}
# No check may take one of these for a number or a text that can be reckoned with or named.
EXTREMES = (10**400, -(10**400), 1 << 63, 1e308, -0.0, True, "", "\0", "\ud800", "x" * 70_000)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(EXTREMES),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner),
    max_leaves=12,
)


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Return something of the content that is not quite it any more."""
    found = bytearray(content)
    for _ in range(chance.randrange(1, 5)):
        at = chance.randrange(max(len(found), 1))
        kind = chance.randrange(4)
        if kind == 0:
            found[at : at + 1] = chance.randbytes(1)
        elif kind == 1:
            del found[at : at + chance.randrange(1, 40)]
        elif kind == 2:
            found[at:at] = chance.choice((b"\0", b"-", b" ", b"\n", b"9" * 30, b"\xff\xff\xff\xff"))
        else:
            found[at : at + 4] = chance.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\0\0\0\x7f"))
    return bytes(found)


def parse_requests(number: int) -> int:
    """Parse so many damaged requests; return how many were still good."""
    chance, good = random.Random(number), 0  # noqa: S311  the same ones every time
    for _ in range(number):
        try:
            good += "protocol" in protocol.parse(damaged(GOOD, chance))
        except protocol.BadRequest:
            continue
    return good


def test_requests() -> None:
    """A damaged request is a bad request."""
    assert parse_requests(5000) < 5000


@pytest.mark.stress
@pytest.mark.timeout(600)
def test_a_million_requests() -> None:
    """A million damaged requests are bad requests."""
    print(f"{parse_requests(1_000_000)} of 1,000,000 were good")


@given(st.binary(max_size=300) | JSON.map(lambda value: json.dumps(value).encode() + b"\n"))
@settings(max_examples=150, deadline=None)
def test_requests_that_are_made_up(line: bytes) -> None:
    """Anything else is one, too."""
    try:
        assert protocol.parse(line)["protocol"] == protocol.PROTOCOL
    except protocol.BadRequest:
        return


def small_library() -> bytes:
    """Return an ELF file with all that we look at, as small as there is one."""
    found = [Path(module.__file__) for module in list(sys.modules.values()) if is_library(module)]
    return min(found, key=lambda path: path.stat().st_size).read_bytes()


def is_library(module: Any) -> bool:
    """Whether a module is a shared library."""
    return str(getattr(module, "__file__", "")).endswith(".so")


def read_libraries(number: int, folder: Path) -> int:
    """Read so many damaged ELF files; return how many could still be read."""
    chance, good, content = random.Random(number), 0, small_library()  # noqa: S311
    names = ("PyInit__struct", "_PyRuntime", *FUNCTIONS)
    path = folder / "damaged.so"
    slowest = 0.0
    for _ in range(number):
        # The headers are what is gone by: the rest would be damaged in vain nearly always.
        head = damaged(content[:4096], chance)
        path.write_bytes((head + content[len(head) :])[: chance.choice((None, None, 3000, 60))])
        began = time.monotonic()
        try:
            elf = ElfFile(path, names)
            elf.slack("w")
            elf.slack("x")
            elf.bias(0x1000, 0)
            good += 1
        except NotElf:
            pass
        slowest = max(slowest, time.monotonic() - began)
    print(f"{good} of {number} could be read; the slowest took {slowest:.3f} s")
    return good


def test_libraries(tmp_path: Path) -> None:
    """A damaged ELF file is none, or is read as far as it is one."""
    assert 0 < read_libraries(1000, tmp_path) < 1000


@pytest.mark.stress
@pytest.mark.timeout(1200)
def test_fifty_thousand_libraries(tmp_path: Path) -> None:
    """50,000 damaged ELF files are none, or are read as far as they are one."""
    read_libraries(50_000, tmp_path)


def read_texts(number: int) -> None:
    """Read so many damaged texts of /proc: each is read, or is a ValueError."""
    chance = random.Random(number)  # noqa: S311
    readers: list[tuple[str, Callable[[str], object]]] = [
        (STATUS, procfs.parse_status),
        (STAT, procfs.parse_start_time),
        *((line, memory_map.parse_mapping) for line in MAPS.splitlines()[:4]),
        *((line, procfs.memory_folder) for line in INFO.splitlines()[:4]),
    ]
    for _ in range(number):
        text, reader = chance.choice(readers)
        spoilt = damaged(text.encode(), chance).decode(errors="replace")
        try:
            reader(spoilt)
        except ValueError:
            continue


def test_texts_of_proc() -> None:
    """A damaged text is a ValueError, if it is not read."""
    read_texts(3000)


@pytest.mark.stress
@pytest.mark.timeout(600)
def test_fifty_thousand_texts() -> None:
    """50,000 damaged texts are a ValueError each, if they are not read."""
    read_texts(50_000)


class Elsewhere(process.Process):
    """A process whose /proc is a folder of ours."""

    def __init__(self, folder: Path) -> None:
        self.pid, self.proc, self.start_time = 1, folder, 0


@given(st.text(max_size=60) | st.sampled_from(["running", "-1 0x0", "202 0x0", "0", "x y z"]))
@settings(max_examples=100, deadline=None, suppress_health_check=QUIET)
def test_system_calls(tmp_path: Path, text: str) -> None:
    """Any text as a thread's system call is read without an error; an empty one is not idle."""
    (tmp_path / "task" / "1").mkdir(parents=True, exist_ok=True)
    (tmp_path / "task" / "1" / "syscall").write_text(text, errors="replace")
    target: Any = None
    assert not thread_activity.activity(Elsewhere(tmp_path), target, 1).idle or text


@pytest.mark.parametrize("name", ["status", "stat", "maps"])
def test_a_damaged_proc_is_told(name: str, tmp_path: Path) -> None:
    """A file of /proc that is not understood is an error with a remedy."""
    for other, content in {"status": STATUS, "stat": STAT, "maps": MAPS}.items():
        (tmp_path / other).write_text("x" if other == name else content)
    target = Elsewhere(tmp_path)
    with pytest.raises(CovattachError, match=f"{name} says is not understood"):
        print(target.uid, target.read_start_time(), target.mappings)


HEADER = ("kind", "files", "taken", "windows", "window", "imported", "file_tracers")
KNOWN = st.fixed_dictionaries({}, optional=dict.fromkeys(HEADER, JSON))


@given(JSON)
@settings(max_examples=150, deadline=None)
def test_facts(said: Any) -> None:
    """Facts are of the right kinds, or not there."""
    for name, check in untrusted.CHECKS.items():
        found = untrusted.validated({name: said})
        assert not found or check(said)
        if found and check in (untrusted.is_number, untrusted.is_natural):
            float(said)


KINDS: dict[str, st.SearchStrategy[Any]] = {
    "file": st.sampled_from(["a.py", *EXTREMES]),
    "line": st.sampled_from([1, *EXTREMES]),
    "name": st.sampled_from(["f", *EXTREMES]),
    "ms": st.sampled_from([0.5, float("nan"), float("inf"), *EXTREMES]),
}


@given(JSON | st.lists(st.tuples(*KINDS.values()).map(list), max_size=3))
@settings(max_examples=100, deadline=None)
def test_functions(said: Any) -> None:
    """A target's words on functions are put together with lines, or are an error of ours."""
    try:
        entries = functions.check_entries(said)
    except CovattachError:
        return
    parts = [functions.Part({"a.py": {1, 2}}, entries, offset=1.5)]
    assert functions.functions(parts, Path("/"))


NUMBER = st.sampled_from([0, 1, 1.5, float("nan"), float("inf"), *EXTREMES])
ROW = {name: st.lists(st.lists(NUMBER, min_size=n, max_size=n)) for name, n in TABLES.items()}
MESSAGE = st.fixed_dictionaries(
    {"calls": st.sampled_from([1, 0, *EXTREMES])},
    optional={
        **dict.fromkeys(messages.NUMBERS, NUMBER),
        "end": st.sampled_from(["", *EXTREMES]),
        "functions": st.just([[1, "m", "f", "a.py", 1 << 70]]) | ROW["functions"],
        "threads": st.just([[1, "\ud800", 10**400]]) | ROW["threads"],
        "texts": st.sampled_from([None, ["\ud800"], [""], *EXTREMES]),
    },
)


@given(MESSAGE, st.lists(st.sampled_from([0, 1, -1, 5, 1 << 62]), min_size=7, max_size=7))
@settings(max_examples=100, deadline=None)
def test_messages_of_a_trace(header: dict[str, Any], numbers: list[int]) -> None:
    """A message of a trace is shown, or is an error of ours."""
    header = {
        **dict.fromkeys(messages.NUMBERS, 0),
        "end": "",
        "functions": [],
        "threads": [],
    } | header
    lines = event_lines.Lines(False, 80, True)
    try:
        for event in messages.Decoder().events(header, struct.pack("=7q", *numbers)):
            assert event_lines.as_json(event)
            assert str(lines.line(event))
    except messages.BadStream:
        return


def test_depth() -> None:
    """A reply is no deeper than any honest one, so that whoever shows it comes to its end."""
    assert untrusted.parsed(b"[" * 40 + b"]" * 40)
    with pytest.raises(ValueError, match="too deep"):
        untrusted.parsed(b'{"windows": ' + b"[" * 60 + b"]" * 60 + b"}")


LOADS = {"since": 1, "noted": 1, "python": [3, 11], "optimize": 0, "prefix": "", "modules": []}
LOADS |= {"through": "a.py", "names": "", "lines": ""}


@pytest.mark.parametrize("name", LOADS)
@pytest.mark.parametrize(
    "value", [*EXTREMES, [], [10**400, 1], [["a\ud800.py"] * 6]], ids=range(len(EXTREMES) + 3)
)
def test_imports(name: str, value: Any) -> None:
    """A target's words on imports are looked for among our files, or are an error of ours."""
    said = {**LOADS, name: value}
    try:
        found = decode({"kind": "lines", "files": [], "taken": 1, "imported": said}, b"").loads
    except CovattachError:
        return
    assert found.names_of("a.py") is not None
    json.dumps(imported_modules.to_note(found)).encode()


@given(KNOWN, st.binary(max_size=80))
@settings(max_examples=150, deadline=None)
def test_snapshots(header: dict[str, Any], blob: bytes) -> None:
    """A snapshot is one, or an error with a remedy."""
    try:
        decode({"kind": "lines", "files": [], "taken": 1, **header}, blob)
    except CovattachError:
        return


@given(st.binary(max_size=200) | KNOWN.map(lambda value: json.dumps(value).encode() + b"\n"))
@settings(max_examples=100, deadline=None, suppress_health_check=QUIET)
def test_saved_snapshots(tmp_path: Path, content: bytes) -> None:
    """A saved snapshot is one, or an error with a remedy."""
    path = tmp_path / "snapshot"
    path.write_bytes(content)
    try:
        read_snapshot(path)
    except CovattachError:
        return


REPLIES = st.one_of(
    st.binary(max_size=200),
    JSON.map(lambda value: json.dumps(value).encode() + b"\n"),
    st.dictionaries(st.sampled_from([*untrusted.CHECKS, "blob", "kind"]), JSON).map(
        lambda value: json.dumps({**value, "protocol": 1}).encode() + b"\nblob"
    ),
    st.just(b"[" * 200_000 + b"\n"),
    st.just(b'{"protocol": 1, "blob": 9e999}\n'),
    st.just(b'{"protocol": 1, "blob": -1}\n'),
)


def send(connection: socket.socket, content: bytes) -> None:
    """Send all that the other side wants, and close the connection."""
    with contextlib.suppress(OSError), connection:
        connection.sendall(content)


@given(REPLIES)
@settings(max_examples=150, deadline=None)
def test_replies(content: bytes) -> None:
    """A reply is one of ours, or an error that means: nobody is there."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        thread = threading.Thread(target=send, args=(theirs, content))
        thread.start()
        try:
            header, blob = agent_client.receive(ours, time.monotonic() + 30)
            assert header["protocol"] == 1
            assert isinstance(blob, bytes)
            str(agent_errors.reported({"error": "x", **header}))
        except (ValueError, ConnectionResetError):
            ours.close()
        thread.join()


def test_replies_that_trickle() -> None:
    """A reply that comes too slowly is given up at the deadline, however often some comes."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        theirs.sendall(b'{"protocol": 1, "blob": 100}\nsome')
        with pytest.raises(TimeoutError):
            agent_client.receive(ours, time.monotonic() + 0.05)
