"""Other users of the machine: their attacks on a session of somebody's, and on root.

Only root can be several users: these tests need it.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.command import Covattach
from support.interpreters import Interpreter, interpreters
from support.targets import Launch, Target

from covattach.process.owner import Owner, as_owner
from covattach.process.process import Process
from covattach.session import agent_client
from covattach.session.folder import SessionFolder
from covattach.session.folder_lookup import create, find, find_ended
from covattach.session.session import Session
from covattach.session.session_lookup import find_session
from covattach.snapshot.snapshot import SnapshotError

OTHER, NOBODY = 54321, 65534
TMP = Path("/tmp")  # noqa: S108  where sessions are
# Puts links in the way for ever: in a folder, to a file and to that one's folder.
LINKS = """
import os, sys
os.chdir(sys.argv[1])
print("ready", flush=True)
links = dict.fromkeys(("session.json", "session.json.new"), sys.argv[2])
links["payloads"] = os.path.dirname(sys.argv[2])
while True:
    for name, leads in links.items():
        try:
            os.unlink(name)
        except OSError:
            pass
        try:
            os.symlink(leads, name)
        except OSError:
            pass
"""


@pytest.fixture(autouse=True)
def _root() -> None:
    assert os.geteuid() == 0, "only root can be several users"


@pytest.fixture
def theirs() -> Iterator[SessionFolder]:
    """Make a session's folder that belongs to nobody, the user."""
    path = TMP / f"covattach-{secrets.token_hex(6)}"
    path.mkdir(mode=0o700)
    os.chown(path, NOBODY, NOBODY)
    yield SessionFolder(path, str(path), Owner(NOBODY, NOBODY))
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """Write a file that only root can read."""
    path = tmp_path / "secret.json"
    path.write_text('{"command": "open sesame"}')
    path.chmod(0o600)
    return path


def as_other(attempt: Callable[[], object]) -> str:
    """Try something as another user; return the name of the exception, or "done"."""
    with as_owner(Owner(OTHER, OTHER)):
        try:
            attempt()
        except OSError as error:
            return type(error).__name__
    return "done"


def test_another_user_gets_nothing_of_a_session(launch: Launch, covattach: Covattach) -> None:
    """Another user can neither connect to a session, nor read, replace or remove its files."""
    # GIVEN a session of ours
    target = launch(interpreters()[-1], "idle.py", "sleep")
    covattach("start", target.pid)
    (folder,) = target.folders
    names = [folder / "agent.sock", folder / "session.json", folder / "payloads" / "launch.py"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(names[0].stat().st_mode) == 0o600

    # WHEN somebody else tries, THEN the system refuses
    attempts: list[Callable[[], object]] = [
        lambda: socket.socket(socket.AF_UNIX).connect(str(names[0])),
        lambda: os.listdir(folder),
        lambda: names[1].read_text(),
        lambda: names[1].write_text("{}"),
        lambda: names[0].unlink(),
        lambda: (folder / "snapshot").symlink_to("/etc/passwd"),
        lambda: names[2].write_text("import os"),
        lambda: folder.rename(TMP / "covattach-mine"),
        lambda: shutil.rmtree(folder),
    ]
    assert {as_other(attempt) for attempt in attempts} == {"PermissionError"}

    # AND the session is as it was
    target.ask("later()")
    covattach("dump", target.pid, "--no-html")
    covattach("stop", target.pid, "--no-dump")


def test_the_agent_answers_nobody_else(launch: Launch, covattach: Covattach) -> None:
    """Somebody who is handed the socket, whose path is closed to them, is not answered either."""
    # GIVEN a session of ours, whose folder has been opened by mistake
    target = launch(interpreters()[-1], "idle.py", "sleep")
    covattach("start", target.pid)
    (folder,) = target.folders
    folder.chmod(0o755)
    (folder / "agent.sock").chmod(0o666)

    # WHEN somebody else connects and asks, THEN the connection is just closed
    with socket.socket(socket.AF_UNIX) as caller:
        caller.settimeout(30)
        assert as_other(lambda: caller.connect(str(folder / "agent.sock"))) == "done"
        try:
            caller.sendall(b'{"verb": "status", "protocol": 1}\n')
            assert caller.recv(100) == b""
        except (BrokenPipeError, ConnectionResetError):
            caller.close()

    # AND we do not believe a folder that others can look into
    assert find(Process(target.pid)) == []
    folder.chmod(0o700)
    covattach("stop", target.pid, "--no-dump")


def squat(target: Target, path: Path) -> socket.socket:
    """Make, as another user, a folder that says it is the session of `target`."""
    with as_owner(Owner(OTHER, OTHER)):
        path.mkdir(mode=0o755)
        facts = {"pid": target.pid, "start_time": target.start_time, "command": "fake"}
        facts.update(created=9e9, settings={}, cwd="/")
        (path / "session.json").write_text(json.dumps(facts))
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path / "agent.sock"))
        listener.listen()
    return listener


@pytest.mark.pythons("3.11", "3.14")
def test_squatters_are_not_believed(
    interpreter: Interpreter, launch: Launch, covattach: Covattach
) -> None:
    """A session that somebody else only claims is none, and does not keep us from ours."""
    # GIVEN a target, and another user who says that he measures it, and holds the old lock's name
    target = launch(interpreter, "idle.py", "sleep")
    path = TMP / f"covattach-{secrets.token_hex(6)}"
    name = f"\0covattach-{target.pid}-{target.start_time}"
    with squat(target, path) as listener, socket.socket(socket.AF_UNIX) as lock:
        assert as_other(lambda: lock.bind(name)) == "done"
        try:
            # WHEN we ask for the session, THEN there is none, and nobody was asked
            covattach.fails(8, "dump", target.pid)
            listener.setblocking(False)
            with pytest.raises(BlockingIOError):
                listener.accept()

            # AND one of ours can be begun and ended
            covattach("start", target.pid)
            target.ask("later()")
            assert covattach("dump", target.pid, "--no-html", "--json").facts["lines"]
            covattach("stop", target.pid, "--no-dump")
            assert path.exists()
        finally:
            shutil.rmtree(path)


def test_somebody_else_at_our_socket(theirs: SessionFolder) -> None:
    """A client talks to no socket of another user's in a session folder, nor through a link."""
    # GIVEN a socket of root's in a folder of nobody's
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(theirs.socket))
        listener.listen()
        with pytest.raises(agent_client.NobodyThere):
            agent_client.ask(theirs, "status", 0)

        # AND a link of nobody's to it
        theirs.socket.rename(theirs.path / "other")
        theirs.socket.symlink_to(theirs.path / "other")
        os.chown(theirs.path / "other", NOBODY, NOBODY)
        with pytest.raises(agent_client.NobodyThere):
            agent_client.ask(theirs, "status", 0)
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


@pytest.mark.parametrize("name", ["session.json", "fault", "snapshot"])
def test_links_are_not_read(name: str, theirs: SessionFolder, secret: Path) -> None:
    """A link in a session's folder to something that only root can read is not followed."""
    (theirs.path / name).symlink_to(secret)
    assert theirs.facts == {}
    assert theirs.fault == ""
    assert theirs.read(name, 100) == b""


def test_pipes_are_not_waited_for(theirs: SessionFolder) -> None:
    """A pipe that nobody writes to, in the place of a file, does not keep us waiting."""
    for name in ("session.json", "fault", "snapshot"):
        os.mkfifo(theirs.path / name)
        os.chown(theirs.path / name, NOBODY, NOBODY)
    assert theirs.facts == {}
    assert theirs.fault == ""
    with pytest.raises(SnapshotError, match="not a plain file"):
        Session(1, theirs, {}, alive=False).saved()


def test_links_are_not_written_through(theirs: SessionFolder, secret: Path) -> None:
    """Root's writes into a session folder go through no link of its owner's."""
    # GIVEN links in all the places that root is going to write to
    before = secret.read_text()
    for name in ("session.json", "session.json.new", "launch", "launch.new", "token"):
        (theirs.path / name).symlink_to(secret)
    (theirs.path / "payloads").symlink_to(secret.parent)

    # WHEN root writes, THEN it is into the folder, or fails
    theirs.write_facts({"command": "ours"})
    theirs.add_file("launch", b"ours")
    with pytest.raises(OSError, match="payloads"):
        theirs.add_file("payloads/compiled", b"ours")
    assert theirs.facts == {"command": "ours"}
    assert not (theirs.path / "launch").is_symlink()
    assert (theirs.path / "launch").stat().st_uid == NOBODY

    # AND removing it removes nothing else
    theirs.remove()
    assert not theirs.path.exists()
    assert secret.read_text() == before
    assert os.listdir(secret.parent) == [secret.name]


def test_a_folder_that_becomes_a_link(theirs: SessionFolder, tmp_path: Path) -> None:
    """The folder itself, put away and replaced by a link, leads root nowhere."""
    tmp_path.chmod(0o777)
    aside = theirs.path.with_name(theirs.path.name + "-aside")
    theirs.path.rename(aside)
    theirs.path.symlink_to(tmp_path)
    try:
        with pytest.raises(OSError, match=theirs.path.name):
            theirs.write_facts({"command": "ours"})
        theirs.remove()
        assert os.listdir(tmp_path) == []
    finally:
        theirs.path.unlink(missing_ok=True)
        shutil.rmtree(aside)


def test_a_race_for_the_folder(theirs: SessionFolder, secret: Path) -> None:
    """An owner who puts links in the way again and again gets root to write nowhere else."""
    # GIVEN an owner at work
    before = secret.read_text()
    python = "/usr/bin/python3"
    with subprocess.Popen(
        [python, "-c", LINKS, theirs.path, secret],
        user=NOBODY,
        group=NOBODY,
        stdout=subprocess.PIPE,
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"ready\n"

        # WHEN root writes and reads meanwhile
        for _ in range(1000):
            with contextlib.suppress(OSError):  # they were quicker
                theirs.write_facts({"command": "ours"})
                theirs.add_file("payloads/compiled", b"ours")
            assert "sesame" not in str(theirs.facts)
        owner.kill()

    # THEN nothing has changed elsewhere
    assert secret.read_text() == before
    assert os.listdir(secret.parent) == [secret.name]
    assert secret.stat().st_uid == 0


def test_leftovers_are_removed(launch: Launch, covattach: Covattach) -> None:
    """`start` removes the session folder of an earlier process with the target's PID."""
    # GIVEN a folder of an earlier process with the target's PID
    target = launch(interpreters()[-1], "idle.py", "sleep")
    folder = create(Process(target.pid))
    facts = {"pid": target.pid, "start_time": target.start_time - 1, "command": "", "cwd": "/"}
    folder.write_facts(facts)

    # WHEN the target is measured, THEN that folder is not taken for its session's, and is gone
    covattach("start", target.pid)
    assert not folder.path.exists()
    assert len(target.folders) == 1
    covattach("stop", target.pid, "--no-dump")


def test_root_says_whose_word_it_is(theirs: SessionFolder) -> None:
    """Of a process that has ended root believes its own first, and else says who says so."""
    with subprocess.Popen([sys.executable, "-c", ""]) as popen:
        popen.wait()
    theirs.write_facts({"pid": popen.pid, "start_time": 1, "created": 9e9, "warnings": []})
    found = find_session(popen.pid)
    assert str(NOBODY) in found.facts["warnings"][0]
    path = TMP / f"covattach-{secrets.token_hex(6)}"
    path.mkdir(mode=0o700)
    try:
        ours = SessionFolder(path, str(path))
        ours.write_facts({"pid": popen.pid, "start_time": 1, "created": 1})
        ended = find_ended(popen.pid)
        assert ended is not None
        assert ended.path == path
    finally:
        shutil.rmtree(path)


def test_rights_are_given_back() -> None:
    """Whoever root acts as, it is root again afterwards, and other threads are so all the time."""
    mine = (os.geteuid(), os.getegid(), os.getgroups())
    seen: list[int] = []
    go = threading.Event()
    thread = threading.Thread(target=lambda: (go.wait(30), seen.append(os.geteuid())))
    thread.start()
    with as_owner(Owner(NOBODY, NOBODY, (7,))):
        assert (os.geteuid(), os.getegid(), os.getgroups()) == (NOBODY, NOBODY, [7])
        go.set()
        thread.join()
    assert (os.geteuid(), os.getegid(), os.getgroups()) == mine
    assert seen == [mine[0]]
