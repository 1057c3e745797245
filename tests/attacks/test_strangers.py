"""Strangers in a tree: a process that descends from no member is no member of it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.command import Covattach
from support.interpreters import Interpreter, newest
from support.targets import TARGETS, Launch, Target
from support.users import OTHER, PYTHON, SECRET, THIRD, Users, lines_of, several_users, shown

from covattach.process.process import Process
from covattach.session.folder_lookup import folders_in, new_key

NEVER = {7, 8}  # lines of idle.py that do not run after an attach
WORKERS = TARGETS / "leaving_root.py"


@pytest.fixture
def users() -> Iterator[Users]:
    """Give other users."""
    with several_users() as found:
        yield found


@pytest.fixture
def tree(launch: Launch, covattach: Covattach) -> Target:
    """Start a process of root's, and measure it as a tree."""
    target = launch(newest("3.14"), "idle.py", "sleep")
    covattach("start", target.pid, "--tree")
    return target


def facts_of(folder: Path) -> dict[str, Any]:
    """Return the facts in a session folder."""
    found: dict[str, Any] = json.loads((folder / "session.json").read_text())
    return found


def test_strangers(tree: Target, users: Users, covattach: Covattach) -> None:
    """A stranger's files are in no report; it is asked nothing, and its folder is left alone."""
    # GIVEN strangers who know the folder's name, the PIDs, and how trees work
    (folder,) = tree.folders
    secret = users.private(0, "settings.py")
    idle = str(TARGETS / "idle.py")
    master = {"pid": tree.pid, "start_time": tree.start_time}
    claims: dict[str, dict[str, Any]] = {
        "answers": {"answers": True},
        "has ended": {"saved": True, "facts": {"pid": 4_000_000}},
        "is the master": {"answers": True, "saved": True, "facts": master},
        "guesses": {"answers": True, "facts": {"key": "0" * 32}},
        "is of another tree of root's": {"answers": True, "facts": {"key": new_key()}},
        "has an empty key": {"answers": True, "facts": {"key": ""}},
        "has no key": {"answers": True, "facts": {"key": None}},
        "has many": {"saved": True, "count": 20, "facts": {"pid": 4_000_000}},
    }
    for number, claim in enumerate(claims.values()):
        claim["name"] = f"{folder.name}-dead{number:04}"
        claim["files"] = {str(secret): [1], idle: sorted(NEVER)}
        claim["facts"] = {"tree": str(folder), **claim.get("facts", {})}
        users.lying((OTHER, 0, THIRD)[number % 3], **claim)

    # WHEN the tree is reported, shown and stopped
    tree.ask("later()")
    dumped = covattach("dump", tree.pid, "--format", "html,json", "--json")
    users.lying(OTHER, answers=True, facts=master)  # in no tree
    status = covattach("status", "--json").facts
    assert [one["user"] for one in status if one["pid"] == tree.pid] == [0]
    covattach("stop", tree.pid, "--no-html", "--data-file", covattach.folder / "last")

    # THEN none of them is in it
    assert SECRET not in shown(covattach.folder)
    assert str(secret) not in shown(covattach.folder)
    assert not lines_of(covattach.folder / "coverage.json", "idle.py") & NEVER
    assert [one["pid"] for one in dumped.facts["processes"]] == [tree.pid]

    # AND none was asked but by `status`, as a process of its own, and no folder is removed
    for claim, liar in zip([*claims, "in no tree"], users.liars, strict=True):
        assert liar.path.exists(), claim
        assert set(liar.end().splitlines()) <= {"asked status"}, claim


def test_a_member_says_nothing_of_others(tree: Target, users: Users, covattach: Covattach) -> None:
    """A taken-over worker knows the key, but is believed only on files its user may read."""
    # GIVEN an attacker that was a worker of another user, and claims to be other processes
    (folder,) = tree.folders
    key = facts_of(folder)["key"]
    secret = users.private(0, "settings.py")
    own = users.private(OTHER, "own.py")
    files = {str(secret): [1], str(own): [1], str(users.public("shop.py")): [1]}
    member = {"tree": str(folder), "key": key}
    master = {"pid": tree.pid, "start_time": tree.start_time}
    more = {"said_by": [[0, 0]], "sender": tree.pid, "gathered": True, "pid": tree.pid}
    told = {"files": files, "more": more, "facts": {**member, **master}}
    alive = users.lying(OTHER, name=f"{folder.name}-aaaa", answers=True, **told)
    users.lying(OTHER, name=f"{folder.name}-bbbb", saved=True, **told)
    gone = {**told, "facts": {**member, "pid": 4_000_000}}
    users.lying(OTHER, name=f"{folder.name}-cccc", saved=True, count=17, **gone)

    # WHEN it is reported, also once its many ended processes have been put together
    tree.ask("later()")
    for name in ("first", "second"):
        dumped = covattach("dump", tree.pid, "--html", name, "--json")
        pids = [one["pid"] for one in dumped.facts["processes"]]

        # THEN only files that its user may read are shown, and it is taken for no other process
        assert f"{SECRET} of {OTHER}" in shown(covattach.folder / name)
        assert f"{SECRET} of 0" not in shown(covattach.folder / name)
        assert pids.count(tree.pid) == 1
        assert alive.pid in pids
    assert list(folder.glob("ended-*"))
    covattach("stop", tree.pid, "--no-dump")


@pytest.mark.parametrize("who", ["another user", "two users"])
def test_ended_processes(who: str, users: Users, covattach: Covattach) -> None:
    """The save of an ended process is its user's word; two users' for one PID are an error."""
    secret = str(users.private(0, "settings.py"))
    own = str(users.private(OTHER, "own.py"))
    told: dict[str, Any] = {"saved": True, "files": {secret: [1], own: [1]}}
    users.lying(OTHER, facts={"pid": 4_000_001, "start_time": 7}, **told)
    if who == "two users":
        users.lying(THIRD, facts={"pid": 4_000_001, "start_time": 7, "created": 9e9}, **told)
        said = covattach.fails(5, "dump", 4_000_001)
        assert f"Users {OTHER} and {THIRD}" in said
        return
    done = covattach("dump", 4_000_001)
    assert f"is the word of user {OTHER}" in done.err
    assert f"{SECRET} of {OTHER}" in shown(covattach.folder)
    assert f"{SECRET} of 0" not in shown(covattach.folder)


@pytest.mark.pythons("3.14", stress=("3.11", "3.12", "3.13"))
def test_honest_members(interpreter: Interpreter, covattach: Covattach) -> None:
    """Workers that became another user, and daemons, are in the report, though all have ended."""
    command = ("--", interpreter.python, WORKERS, OTHER)
    covattach("run", "--format", "html,json", *command)
    expected = {n for n, line in enumerate(WORKERS.open(), 1) if line.rstrip().endswith("# ran")}
    assert lines_of(covattach.folder / "coverage.json", WORKERS.name) == expected


def test_a_root_that_is_another_user_for_a_while(users: Users, covattach: Covattach) -> None:
    """A root process with a user's effective id does not answer for that user's folder."""
    words = f"import os; os.seteuid({OTHER}); print('ready', flush=True); input()"
    with subprocess.Popen(
        [PYTHON, "-c", words], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as popen:
        assert popen.stdout is not None
        assert popen.stdout.readline() == b"ready\n"
        claim = {"pid": popen.pid, "start_time": Process(popen.pid).start_time}
        liar = users.lying(OTHER, answers=True, facts=claim, files={str(users.public("x.py")): [7]})
        covattach.fails(8, "dump", popen.pid)
        assert popen.pid not in [one["pid"] for one in covattach("status", "--json").facts]
        assert liar.end() == ""
        popen.communicate(b"\n")


def test_a_mount_is_no_session(users: Users) -> None:
    """A file system that somebody has mounted says itself to whom its folders belong."""
    path = users.folder / "tmp"
    path.mkdir()
    words = f"mount --bind {path} /tmp && mkdir -m 700 /tmp/covattach-aa /tmp/covattach-bb"
    mounted = "mount -t tmpfs -o mode=0700 none /tmp/covattach-bb && echo ready && read line"
    with subprocess.Popen(
        ["/usr/bin/unshare", "--mount", "/bin/sh", "-c", f"{words} && {mounted}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as popen:
        assert popen.stdout is not None
        assert popen.stdout.readline() == b"ready\n"
        found = [one.path.name for one in folders_in(Path(f"/proc/{popen.pid}/root"), ("/tmp",))]  # noqa: S108
        popen.communicate(b"\n")
    assert found == ["covattach-aa"]
