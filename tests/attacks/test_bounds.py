"""Attacks with endless work: a process, its files or its agent make data long, large or deep.

Each attack must come to its end, with an error or a sentence.  The clock of the budget is set
forward, so that a test need not wait for the reserve of a command.
"""

from __future__ import annotations

import contextlib
import fcntl
import inspect
import json
import os
import re
import secrets
import shutil
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.command import TRACEBACK, Covattach
from support.targets import TARGETS
from support.users import PYTHON
from support.waiting import wait_for

from covattach import budget, untrusted
from covattach.budget import BUDGET, TooMuch, limited
from covattach.diagnose import allowances, python_processes
from covattach.errors import CovattachError, NotPossible
from covattach.injector.gdb_driver import Gdb
from covattach.process import descendants, nofollow, plain_files, seccomp
from covattach.process.elf import ElfFile, NotElf
from covattach.process.interpreter import PYTHON_INSIDE, find_interpreter, search
from covattach.process.owner import Owner, as_owner
from covattach.process.process import LONGEST_COMMAND, Process
from covattach.reports import datafile, functions, render, source_files, work_limits
from covattach.reports.results import Report
from covattach.session import (
    agent_client,
    coverage_settings,
    ended_workers,
    folder_lookup,
)
from covattach.session.folder import SessionFolder
from covattach.session.tree import Tree
from covattach.snapshot.snapshot import Snapshot, SnapshotError, decode

NOBODY = 65534
TMP = Path("/tmp")  # noqa: S108  where sessions are
Damage = Callable[[Path, int], None]
LONG = 60.0  # seconds in which everything here must have come to its end, on a loaded machine
SECTIONS = 40  # where an ELF header says where its table of sections is


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    assert os.geteuid() == 0, "only root can be several users"
    monkeypatch.setattr(budget, "RESERVE", 0.3)
    monkeypatch.setattr(work_limits, "BASIS", 0.5)
    BUDGET.renew()
    began = time.monotonic()
    yield
    assert time.monotonic() - began < LONG
    assert not BUDGET.ends, "a piece of work has not been ended"


def library(path: Path) -> int:
    """Write a shared library; return its size, rounded up."""
    path.write_bytes(Path(next(find_libraries())).read_bytes())
    return -(-path.stat().st_size // 4096) * 4096


def find_libraries() -> Iterator[str]:
    """Yield the files of Python's own modules in C."""
    yield from (
        str(module.__file__)
        for module in list(sys.modules.values())
        if str(getattr(module, "__file__", "")).endswith(".so")
    )


def with_sections(path: Path, size: int) -> None:
    """Have an ELF file say that it has 2**40 sections."""
    with path.open("r+b") as file:
        head = bytearray(file.read(64))
        struct.pack_into("<Q", head, SECTIONS, size)
        struct.pack_into("<HH", head, 60, 0, 0)
        file.seek(0)
        file.write(head)
        file.seek(size)
        file.write(struct.pack("<IIQQQQIIQQ", 0, 3, 0, 0, 0, 1 << 40, 0, 0, 0, 0))


def with_buckets(path: Path, size: int) -> None:
    """Have the table of symbols of an ELF file have as many buckets as can be said."""
    content = bytearray(path.read_bytes())
    at = content.find(struct.pack("<Q", 0x6FFFFEF5))  # DT_GNU_HASH
    place = struct.unpack_from("<Q", content, at + 8)[0]
    struct.pack_into("<IIII", content, place, 0xFFFFFFFF, 1, 0xFFFFFFFF, 6)
    path.write_bytes(content)


def with_an_endless_chain(path: Path, size: int) -> None:
    """Have the table of symbols lead on and on."""
    content = bytearray(path.read_bytes())
    at = content.find(struct.pack("<Q", 0x6FFFFEF5))
    place = struct.unpack_from("<Q", content, at + 8)[0]
    struct.pack_into("<IIII", content, place, 1, 1, 1, 6)
    struct.pack_into("<QI", content, place + 16, (1 << 64) - 1, 1)
    content[place + 28 :] = bytes(len(content) - place - 28)  # no hash is the last of its chain
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [with_sections, with_buckets, with_an_endless_chain])
def test_elf_files(tmp_path: Path, damage: Damage) -> None:
    """The search for symbols ends in an ELF file with endless sections, buckets or chains."""
    path = tmp_path / "program"
    size = library(path)
    damage(path, size)
    with contextlib.suppress(OSError):
        os.truncate(path, 1 << 43)

    with contextlib.suppress(NotElf):
        assert "_PyRuntime" not in ElfFile(path, ("_PyRuntime", "PyGILState_Ensure")).symbols

    assert search(path, PYTHON_INSIDE) == ""


def test_a_program_with_endless_sections(tmp_path: Path, covattach: Covattach) -> None:
    """Commands of root's that look at another user's program come to their end."""
    path = TMP / f"attack-{secrets.token_hex(6)}"
    shutil.copy(str(shutil.which("sleep")), path)
    path.chmod(0o755)
    with_sections(path, -(-path.stat().st_size // 4096) * 4096)
    with contextlib.suppress(OSError):
        os.truncate(path, 1 << 43)
    try:
        with subprocess.Popen([path, "60"], user=NOBODY, group=NOBODY, extra_groups=[]) as popen:
            try:
                error = covattach.fails(3, "start", popen.pid)
                assert "is not a Python process" in error
                assert covattach.run("doctor", popen.pid).code == 3
            finally:
                popen.kill()
    finally:
        path.unlink()


@pytest.mark.parametrize("place", ["pipe", "device", "link to a device"])
def test_what_is_no_plain_file(tmp_path: Path, place: str) -> None:
    """Nothing is waited for, or read without end."""
    path = tmp_path / "file"
    if place == "pipe":
        os.mkfifo(path)
    elif place == "device":
        path = Path("/dev/zero")
    else:
        path.symlink_to("/dev/zero")

    for attempt in (lambda: plain_files.beginning(path, 10), lambda: ElfFile(path, ())):
        with pytest.raises(OSError, match="not a plain file"):
            attempt()
    assert functions.source_of(str(path)) is None


REPORTED = {
    "expression": ("a" * 60 + " = 1\n", {"report:exclude_lines": ["^(a+)+$"]}),
    "blank lines": ("x = 1\n" + "\n" * 12_000, {}),
    "nesting": ("x = " + "(" * 5_000 + ")" * 5_000 + "\n", {}),
    "minus": ("x = " + "-" * 100_000 + "1\n", {}),
    "patterns": ("x = 1\n", {"report:omit": ["*a" * 40 + "b"]}),
}


@pytest.mark.parametrize("attack", REPORTED)
def test_sources_and_settings(tmp_path: Path, attack: str) -> None:
    """A report leaves out a source that takes too much time, with a warning; the others stay."""
    # GIVEN data of a good source and of a bad one
    text, chosen = REPORTED[attack]
    good, bad = tmp_path / "good.py", tmp_path / ("a" * 60 + ".py")
    good.write_text("x = 1\ny = 2\n")
    bad.write_text(text)
    taken = Snapshot("lines", {str(good): {1, 2}, str(bad): {1}}, {}, 1.0)
    data = tmp_path / ".coverage"
    datafile.write(taken, data, {})

    # WHEN reports are made
    def report() -> Report:
        with contextlib.chdir(tmp_path):
            return render.render(
                data, html=tmp_path / "html", formats=set(), settings=chosen, cwd=tmp_path
            )

    if attack == "patterns":
        # THEN there is a sentence, where that holds for all sources
        with pytest.raises(TooMuch, match="takes too much time"):
            report()
        return
    made = report()
    # OR one of them is left out, with a sentence
    assert str(good) in {str(tmp_path / row.name) for row in made.rows}
    assert any(bad.name in warning for warning in made.warnings)
    assert functions.functions([functions.Part({str(bad): {1}}, [])], tmp_path)


def test_an_honest_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large source that is honest has its page, though the reserve is small."""
    monkeypatch.setattr(budget, "ROOM", 24 << 20)
    path = tmp_path / "large.py"
    function = (
        "def f{0}(one, two):\n    if one > {0}:\n        return [two, 'x']\n    return two\n\n"
    )
    path.write_text("".join(map(function.format, range(1500))))
    data = tmp_path / ".coverage"
    datafile.write(Snapshot("lines", {str(path): {1}}, {}, 1.0), data, {})

    with contextlib.chdir(tmp_path):
        made = render.render(data, html=tmp_path / "html", formats=set(), settings={}, cwd=tmp_path)

    assert made.warnings == []
    assert [row.name for row in made.rows] == ["large.py"]


def test_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A piece of work gets as much memory as is honest, and the rest of the command goes on."""
    monkeypatch.setattr(budget, "ROOM", 16 << 20)
    much = 48 << 20
    with limited("A report", 1.0):
        with pytest.raises(TooMuch, match="too much memory"), limited("A source", 1.0):
            bytearray(much)
        with limited("A large source", 1.0, much):
            assert len(bytearray(much))
    assert len(bytearray(2 * much))


@pytest.mark.parametrize("deep", [1_100, 200])
def test_nested_folders(tmp_path: Path, deep: int) -> None:
    """Folders are looked into so deep, and a sentence tells of the others."""
    descriptor = os.open(tmp_path, os.O_PATH)
    for _ in range(deep):
        os.mkdir("d", dir_fd=descriptor)
        below = os.open("d", os.O_PATH, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)
    (tmp_path / "top.py").write_text("x = 1\n")
    said: list[str] = []
    wanted = {"run:source": [str(tmp_path)], "report:include_namespace_packages": True}

    found = source_files.never_ran(wanted, tmp_path, [], said)
    folder = os.open(tmp_path.parent, os.O_PATH)
    nofollow.remove(folder, tmp_path.name)  # as far as that goes, and no traceback
    os.close(folder)
    subprocess.run(["rm", "-rf", tmp_path], check=True)
    tmp_path.mkdir()

    assert {os.path.basename(name) for name in found} == {"top.py"}
    assert re.match(source_files.TOO_DEEP, said[0])


CONFIGURATIONS = {
    "brackets": "x = " + "[" * 100_000,
    "a long key": "a." * 100_000 + "b = 1",
    "tables": "[a]\n" * 50_000,
    "an expression": "[tool.coverage.report]\nexclude_lines = ['"
    + "(" * 5_000
    + ")" * 5_000
    + "']",
    "its end": "[tool.coverage.run]\nsource = ['" + "x" * coverage_settings.LONGEST + "']",
}


@pytest.mark.parametrize("attack", CONFIGURATIONS)
def test_configurations(tmp_path: Path, attack: str) -> None:
    """A configuration that cannot be read is an error of ours."""
    (tmp_path / "pyproject.toml").write_text(CONFIGURATIONS[attack])
    command = [sys.executable, "-c", "input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, cwd=tmp_path) as popen:
        with pytest.raises(CovattachError, match="configuration"):
            coverage_settings.read(Process(popen.pid), None, {})
        popen.kill()


def test_a_long_command_line() -> None:
    """A long command line is cut off."""
    command = [sys.executable, "-c", "input()", *["x" * 100_000] * 10]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as popen:
        assert len(wait_for(lambda: Process(popen.pid).command, "it runs")) <= LONGEST_COMMAND
        popen.kill()


HEADERS = {
    "many parts": b"[" + b"[]," * 2_000_001 + b"[]]",
    "depth": b"[" * 100_000 + b"]" * 100_000,
    "a long number": b"9" * 100_000,
}


@pytest.mark.parametrize("attack", HEADERS)
def test_json(attack: str) -> None:
    """JSON that would take far more memory than its size tells is refused."""
    with pytest.raises(ValueError, match=r"."):
        untrusted.parsed(HEADERS[attack])


IMPORTS = {"since": 1, "noted": 1, "python": [3, 11], "optimize": 0, "prefix": "", "modules": []}
IMPORTS |= {"finished": "a\0" * 200_002, "names": "\0" * 200_002, "lines": "\0" * 200_002}


def reply(**more: object) -> dict[str, object]:
    """Return the header of a snapshot."""
    return {"kind": "lines", "files": [], "taken": 1.0, **more}


@pytest.mark.parametrize(
    ("header", "blob"),
    [
        (reply(files=[["a", 0]] * 200_001), b""),
        (reply(windows=[["w", []]] * 20_001), b""),
        (reply(files=[[str(n), 1] for n in range(60)]), struct.pack("<q", 10_000_000) * 60),
        (
            reply(imported=IMPORTS),
            b"",
        ),
    ],
    ids=["files", "windows", "lines far apart", "imports"],
)
def test_snapshots(header: dict[str, object], blob: bytes) -> None:
    """A snapshot with too many files, windows or imports, or with absurd lines, is refused."""
    with pytest.raises(SnapshotError):
        decode(header, blob)


def test_a_reply_that_trickles(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reply that has begun comes as fast as it is taken, or is none."""
    monkeypatch.setattr(agent_client, "PAUSE", 0.2)
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    script = (
        "import socket, sys, time\n"
        "one = socket.socket(fileno=int(sys.argv[1]))\n"
        "while True: one.send(b'{'); time.sleep(0.05)"
    )
    command = [sys.executable, "-c", script, str(theirs.fileno())]
    with ours, theirs, subprocess.Popen(command, pass_fds=[theirs.fileno()]) as popen:
        try:
            with pytest.raises(TimeoutError):
                agent_client.receive(ours, time.monotonic() + 2 * LONG)
        finally:
            popen.kill()


def made(name: str, owner: int = NOBODY, **said: object) -> SessionFolder:
    """Make a session's folder of another user's."""
    path = TMP / name
    path.mkdir(mode=0o700)
    (path / "session.json").write_text(json.dumps(said))
    for one in (path, path / "session.json"):
        os.chown(one, owner, owner)
    return SessionFolder(path, str(path), Owner(owner, owner))


@pytest.fixture
def name() -> Iterator[str]:
    """Return a name of folders of sessions; all that begin so are removed."""
    found = f"{folder_lookup.PREFIX}{secrets.token_hex(6)}"
    yield found
    for path in TMP.glob(found + "*"):
        path.chmod(0o700)
        shutil.rmtree(path)


def test_silent_sockets(name: str, covattach: Covattach) -> None:
    """However many sockets of another user do not answer, `status` comes to its end."""
    with contextlib.ExitStack() as stack:
        for number in range(150):
            folder = made(f"{name}{number:03}", pid=1, start_time=number, method="gdb")
            door = stack.enter_context(socket.socket(socket.AF_UNIX))
            with as_owner(Owner(NOBODY, NOBODY)):
                door.bind(str(folder.socket))
                door.listen(0)
        began = time.monotonic()
        done = covattach("status")
        took = time.monotonic() - began

    assert took < LONG
    assert done.err.count("it does not answer now") >= 100


def test_names_that_begin_with_each_other(name: str) -> None:
    """Folders that look like a tree in a tree in a tree are looked at once each."""
    found = [
        made("-".join([name, *"x" * number]), pid=1 << 22, start_time=1) for number in range(40)
    ]
    assert all(map(folder_lookup.is_dead, found))


def test_what_a_large_tree_has_left(name: str) -> None:
    """Before a start each folder of a tree that has ended is looked at once, not once for each."""
    found = [
        made(f"{name}{f'-{number}' if number else ''}", pid=1 << 22, start_time=1, key="k")
        for number in range(folder_lookup.MOST_OF_ONE)
    ]
    for one in found:
        (one.path / "snapshot").touch()
    with subprocess.Popen(["sleep", "60"], user=NOBODY, group=NOBODY, extra_groups=[]) as popen:
        folder_lookup.remove_dead(Process(popen.pid))
        popen.kill()
    assert all(one.path.exists() for one in found)


def test_folders_that_cannot_be_removed(name: str) -> None:
    """`stop` asks each member once, though its folder stays."""
    # GIVEN a tree of another user's with a member that has ended
    with subprocess.Popen(["sleep", "60"], user=NOBODY, group=NOBODY, extra_groups=[]) as popen:
        start_time = Process(popen.pid).start_time
        known = {"pid": popen.pid, "start_time": start_time, "tree": str(TMP / name), "key": name}
        first, member = made(name, **known), made(f"{name}-1", **known)
        content = b'{"kind": "lines", "files": [], "taken": 1.0}\n'
        for folder in (first, member):
            folder.add_file("snapshot", content)
        member.path.chmod(0o500)

        # WHEN it is stopped, THEN that comes to its end, and all that was saved is there
        assert len(Tree(first, popen.pid).stop()) == 2
        popen.kill()
    assert not first.path.exists()
    assert member.path.exists()


def test_a_lock_of_theirs(name: str) -> None:
    """Nobody waits for a lock that the target's user can hold for ever."""
    place = made(name)
    lock = os.open(place.path, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with ended_workers.alone(place) as is_alone:
        assert not is_alone
    os.close(lock)
    with ended_workers.alone(place) as is_alone:
        assert is_alone


def test_many_files_in_a_session(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each removal of a session folder removes a bounded number of files."""
    monkeypatch.setattr(nofollow, "MOST_REMOVED", 50)
    folder = made(name, os.geteuid())
    for number in range(100):
        (folder.path / str(number)).touch()
    folder.remove()
    assert 45 < len(list(folder.path.iterdir())) < 55
    folder.remove()
    folder.remove()
    assert not folder.path.exists()


def test_hostile_facts(name: str, covattach: Covattach) -> None:
    """A description that is deep, or long, is no description."""
    for number, text in enumerate(("[" * 100_000, '{"pid": ' + "9" * 5000 + "}", "x" * (1 << 20))):
        folder = made(f"{name}{number}", os.geteuid())
        (folder.path / "session.json").write_text(text)
        assert folder.facts == {}
    done = covattach.run("status")
    assert done.code == 0
    assert TRACEBACK not in done.err


def test_members_that_are_silent(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """After some that have not answered, the others of a command are waited for shortly."""
    monkeypatch.setattr(agent_client, "MOST_SILENT", 2)
    monkeypatch.setattr(agent_client, "IMPATIENT", 0.05)
    folder = made(name, os.geteuid())
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(folder.socket))
        door.listen(8)
        for seconds in (0.05, 0.05, 100.0, 100.0):
            with pytest.raises(agent_client.NoAnswer):
                agent_client.ask(folder, "status", time.monotonic() + seconds)


def test_a_chain_of_processes() -> None:
    """Descendants are found however long the chain of them is."""
    script = (
        "import os, sys\n"
        "for number in range(150):\n"
        "    if os.fork(): os.wait(); os._exit(0)\n"
        "print('ready', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as popen:
        assert popen.stdout is not None
        assert popen.stdout.readline() == b"ready\n"
        limit = sys.getrecursionlimit()
        try:
            sys.setrecursionlimit(len(inspect.stack()) + 100)
            assert len(list(descendants.descendants(popen.pid))) == 150
        finally:
            sys.setrecursionlimit(limit)
        popen.communicate()


def test_memory_of_gdb() -> None:
    """A vDSO that is said to have 1.5 GB is not read by gdb, and the target runs on."""
    command = [PYTHON, "-c", (TARGETS / "naming.py").read_text(), "long"]
    as_nobody: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    with subprocess.Popen(command, stdout=subprocess.PIPE, **as_nobody) as popen:
        try:
            assert popen.stdout is not None
            assert popen.stdout.readline() == b"ready\n"
            deadline = time.monotonic() + LONG / 2
            with Gdb(None) as gdb:
                gdb.prepare(deadline)
                gdb.attach(popen.pid, deadline)
                status = Path(f"/proc/{gdb.popen.pid}/status").read_text()
                assert 1024 * int(status.partition("VmHWM:")[2].split()[0]) < 300 << 20
            wait_for(lambda: not Process(popen.pid).is_stopped, "the target to run on")
        finally:
            popen.kill()


# Has a filter of its own on each thread, with 4,090 comparisons of what nobody knows.
LONG_FILTERS = """
import ctypes, struct, threading, time
libc = ctypes.CDLL(None)
def wait(number):
    steps = [(0x20, 0, 0, 56), *((0x15, 1, 0, number + n) for n in range(4088))]
    steps += [(6, 0, 0, 0x7FFF0000)] * 2
    code = b"".join(struct.pack("<HBBI", *step) for step in steps)
    program = ctypes.create_string_buffer(code)
    filter = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(program))
    assert libc.prctl(38, 1, 0, 0, 0) == 0 == libc.prctl(22, 2, filter)
    ready.wait()
    time.sleep(60)
ready = threading.Barrier(7)
for number in range(6):
    threading.Thread(target=wait, args=(number,), daemon=True).start()
ready.wait()
print("ready", flush=True)
time.sleep(60)
"""


def test_filters_of_many_threads() -> None:
    """The filters of all threads together take so much work, and are refused beyond that."""
    with subprocess.Popen([PYTHON, "-c", LONG_FILTERS], stdout=subprocess.PIPE) as popen:
        try:
            assert popen.stdout is not None
            assert popen.stdout.readline() == b"ready\n"
            process = Process(popen.pid)
            with pytest.raises(NotPossible, match="its filters are too long"):
                seccomp.check_seccomp(process, find_interpreter(process))
            with pytest.raises(NotPossible, match="take too long to stop"):
                seccomp.check_seccomp(process, find_interpreter(process), deadline=0.0)
            assert not process.is_stopped
            assert process.tracer == 0
        finally:
            popen.kill()


# Has as many mappings as the kernel allows.
MANY_MAPPINGS = """
import ctypes, time
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
size = ctypes.c_long(4096)
for number in range(30_000):
    libc.mmap(None, size, 1 + number % 2, 0x22, -1, ctypes.c_long(0))
print("ready", flush=True)
time.sleep(60)
"""


def test_many_processes_of_one_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """The work on one user's processes adds up, and keeps those of others from nothing."""
    # GIVEN a user with processes that are long to look at, and one of another's
    monkeypatch.setattr(allowances, "OF_ONE_USER", 0.1)
    monkeypatch.setattr(allowances, "HONEST", 0.0)
    as_nobody: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    with contextlib.ExitStack() as stack:
        theirs = []
        for _ in range(4):
            command = [PYTHON, "-c", MANY_MAPPINGS]
            popen = subprocess.Popen(command, stdout=subprocess.PIPE, **as_nobody)
            stack.callback(popen.communicate)
            stack.callback(popen.kill)
            theirs.append(popen)
        for popen in theirs:
            assert popen.stdout is not None
            assert popen.stdout.readline() == b"ready\n"

        # WHEN all are looked at, THEN their work ends, and a row says so
        looking = python_processes.Looking()
        rows = [looking.at(popen.pid) for popen in theirs]
        last = rows[-1]
        assert last is not None
        assert f"the processes of user {NOBODY} takes too much time" in last.why_not
        assert not last.can_attach

        # AND others are looked at as always
        monkeypatch.undo()
        command = [sys.executable, "-c", "print(flush=True); input()"]
        other = stack.enter_context(subprocess.Popen(command, stdin=-1, stdout=subprocess.PIPE))
        assert other.stdout is not None
        assert other.stdout.readline() == b"\n"
        assert wait_for(lambda: looking.at(other.pid), "it is Python").can_attach
        other.kill()
