"""Processes of several users in one report: a source is shown on the word of its readers only."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.command import Covattach
from support.users import OTHER, SECRET, THIRD, Users, lines_of, several_users, shown

ALL = "html,xml,json,lcov,text,markdown"
GROUP = 1000  # a group is the user's number and this
# What the first process may be, whose settings and folder count for all.
FIRST = {"root's": 0, "another user's": THIRD}


@pytest.fixture
def users() -> Iterator[Users]:
    """Give other users."""
    with several_users() as found:
        yield found


def dumped(users: Users, covattach: Covattach, *options: object) -> str:
    """Have root report on all of them at once; return all that was shown and written."""
    done = covattach("dump", "--name", str(users.program), "--format", ALL, *options, "--json")
    assert len(done.facts["pids"]) == len(users.liars)
    return shown(covattach.folder) + done.out


def lying(users: Users, uid: int, files: list[Path | str], **more: Any) -> None:
    """Start a process that says to have executed the first line of these."""
    told = {"files": {str(name): [1] for name in files}, **more}
    users.lying(uid, answers=True, **told)


@pytest.mark.parametrize("first", FIRST)
def test_what_only_others_may_read(first: str, users: Users, covattach: Covattach) -> None:
    """A process that names files of other users gets none of them shown or listed."""
    # GIVEN a process that names nothing of its own, and another user's that names every path
    uid = FIRST[first]
    secret = users.private(uid, "settings.py")
    beside = users.private(uid, "beside.py")
    (secret.parent / "__init__.py").touch()
    link, chain = users.folder / "link.py", users.folder / "chain.py"
    link.symlink_to(secret)
    chain.symlink_to(link)
    relative = f"../{users.folder.name}/{secret.parent.name}/{secret.name}"
    names = [secret, link, chain, secret.with_suffix(".pyc"), relative, f"{secret.parent}/no.py"]
    package = {"run:source_pkgs": [secret.parent.name], "run:relative_files": True}
    lying(users, uid, [users.public("shop.py").name], facts={"settings": package})
    own = users.private(OTHER, "own.py")
    lying(users, OTHER, [*names, own, "/proc/self/environ"])

    # WHEN root reports on both
    found = dumped(users, covattach)

    # THEN the report shows the files that each user may read, and no others
    assert f"{SECRET} of {uid}" not in found
    assert f"{SECRET} of {OTHER}" in found
    assert beside.name not in found
    assert lines_of(covattach.folder / "coverage.json", "shop.py") == {1}


def test_what_both_have_named(users: Users, covattach: Covattach) -> None:
    """A file that two processes name is shown on the word of the one that may read it."""
    secrets = {uid: users.private(uid, f"of_{uid}.py") for uid in (OTHER, THIRD)}
    for uid in secrets:
        lying(users, uid, list(secrets.values()))
    found = dumped(users, covattach)
    assert all(f"{SECRET} of {uid}" in found for uid in secrets)


def test_further_groups(users: Users, covattach: Covattach) -> None:
    """A file that only a group may read is shown on the word of a process in that group only."""
    secrets = {uid: users.private(uid, "settings.py") for uid in (0, THIRD)}
    for uid, path in secrets.items():
        for one in (path.parent, path):
            os.chown(one, 0, uid + GROUP)
            one.chmod(0o750)
    users.lying(OTHER, THIRD + GROUP, answers=True, files={str(secrets[THIRD]): [1]})
    users.lying(OTHER, answers=True, files={str(secrets[0]): [1]})
    found = dumped(users, covattach)
    assert f"{SECRET} of {THIRD}" in found
    assert f"{SECRET} of 0" not in found


def test_windows_of_several(users: Users, covattach: Covattach) -> None:
    """`record` shows a window's sources only on the word of a user who may read them."""
    secrets = {uid: users.private(uid, "settings.py") for uid in (0, OTHER, THIRD)}
    more = {"window": "now", "windows": [["then", []]]}
    for uid, other in ((OTHER, THIRD), (THIRD, 0)):
        lying(users, uid, [secrets[uid], secrets[other]], more=more)
    done = covattach("record", "--name", str(users.program), "--full", "--diff", "then", "now")
    shows = {uid: f"{SECRET} of {uid}" in done.out + done.err for uid in secrets}
    assert shows == {0: False, OTHER: True, THIRD: True}


def test_settings_of_one_do_not_open_for_another(users: Users, covattach: Covattach) -> None:
    """One process's [paths] lead another's file name to no source that neither may read."""
    secret = users.private(0, "settings.py")
    paths = {"paths": {"source": [str(secret.parent), "/srv/app"]}}
    lying(users, OTHER, ["/srv/app/settings.py"], facts={"settings": paths})
    lying(users, THIRD, ["/srv/app/settings.py", users.public("shop.py")])
    found = dumped(users, covattach)
    assert SECRET not in found
    files = json.loads((covattach.folder / "coverage.json").read_text())["files"]
    assert [Path(name).name for name in files] == ["shop.py"]


def test_lies_about_kinds_and_plugins(users: Users, covattach: Covattach) -> None:
    """No process hides by its word how others' sources ran: with branches, plugins or neither."""
    # GIVEN a source that two processes have run, and one of them says what is not so
    source = users.public("shared.py")
    lying(users, THIRD, [source])
    lying(users, OTHER, [source], more={"file_tracers": {str(source): "no.Plugin"}})
    lying(users, OTHER, [], more={"file_tracers": {str(source): "no.Plugin"}})
    users.lying(OTHER, answers=True, files={str(source): [-1, 3]}, more={"kind": "arcs"})

    # WHEN root reports on all of them, THEN the source is in the report, with all its lines
    dumped(users, covattach)
    assert lines_of(covattach.folder / "coverage.json", "shared.py") >= {1}
