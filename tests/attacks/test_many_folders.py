"""Attacks with folders that look like sessions' ones: by the thousand, and in any number of roots.

All commands look through the folders in /tmp, and `status` through those in the roots of all
processes.
"""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.users import OTHER, TMP

from covattach.process.owner import Owner, as_owner
from covattach.session import folder, folder_lookup, folders_everywhere, session_lookup
from covattach.session.folder import SessionFolder

# In a user namespace of its own anybody may mount file systems: three, with ten folders each.
MOUNTING = """
mount -t tmpfs none /tmp && cd /tmp || exit 1
for number in 1 2 3; do
    mkdir $number && mount -t tmpfs none $number || exit 1
    for other in 0 1 2 3 4 5 6 7 8 9; do mkdir -m 700 $number/covattach-$number$other; done
done
echo ready
read line
"""


@pytest.fixture
def name() -> Iterator[str]:
    """Return a name of folders of sessions; all that begin so are removed."""
    found = f"{folder_lookup.PREFIX}{secrets.token_hex(6)}"
    yield found
    for path in TMP.glob(found + "*"):
        shutil.rmtree(path)


def made(name: str, **facts: object) -> SessionFolder:
    """Make a session's folder of another user's, whose process has ended."""
    path, owner = TMP / name, Owner(OTHER, OTHER)
    said = {"pid": 1 << 22, "start_time": 1, "created": 1.0, **facts}
    with as_owner(owner):
        path.mkdir(mode=0o700)
        (path / "session.json").write_text(json.dumps(said))
    return SessionFolder(path, str(path), owner)


def test_facts_of_many_parts(name: str) -> None:
    """A description takes so long to read as an honest one, though it is no longer than may be."""
    assert made(f"{name}0", windows=[[]] * (folder.MOST_FACTS // 4)).facts
    assert made(f"{name}1", windows=[[]] * folder.MOST_FACTS).facts == {}


def test_folders_beside_a_tree(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks for the members of a tree looks at folders of their names, and no others."""
    monkeypatch.setattr(folder_lookup, "MOST_OF_ONE", 2)
    for number in range(3):
        made(f"{name}{number}")
    first = made(f"{name}3", key="k")
    member = made(f"{name}3-1", key="k")

    assert [one.path for one in folder_lookup.members(first)] == [member.path]


def test_dead_folders(name: str) -> None:
    """Once the patience with a user is used up, their folders are not cleared away any more."""
    dead = made(name)
    patience = session_lookup.Patience()
    patience.deadlines[OTHER] = 0.0
    assert session_lookup.looked_at(dead, patience) is None
    assert dead.path.exists()
    assert session_lookup.looked_at(dead) is None
    assert not dead.path.exists()


def test_file_systems_of_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The roots of one user's processes lead to a bounded number of folders, all together."""
    monkeypatch.setattr(folders_everywhere, "MOST_OF_ONE", 15)
    # GIVEN two processes of another user's, in roots of their own with thirty folders each
    words = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", MOUNTING]
    who = {"user": OTHER, "group": OTHER, "extra_groups": []}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    processes = [subprocess.Popen(words, cwd="/", **pipes, **who) for _ in range(2)]
    for one in processes:
        assert one.stdout is not None
        assert one.stdout.readline() == b"ready\n"
    roots = [Path(f"/proc/{one.pid}/root") for one in processes]

    # WHEN all folders are looked for
    found = [one.path for one in folders_everywhere.elsewhere() if one.root in roots]

    # THEN there are not more than may be of one user
    assert len(found) == 15
    for one in processes:
        one.communicate()
