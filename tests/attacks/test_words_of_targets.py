"""Attacks with words that no honest target says: in its environment, of its folders, in replies.

Each gives one sentence, and nobody else in the same command loses by it.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.command import TRACEBACK, Covattach
from support.targets import TARGETS
from support.users import OTHER, Users, several_users

from covattach.diagnose import target
from covattach.errors import CovattachError
from covattach.process.file_view import FileView
from covattach.process.owner import Owner
from covattach.process.process import Process
from covattach.session import coverage_settings
from covattach.session.folder_lookup import new_key

LONG = 5_500_000  # characters
SOON = 10.0  # seconds
DEEP = """
import os, sys
for number in range(30):
    os.mkdir("d" * 200)
    os.chdir("d" * 200)
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def users() -> Iterator[Users]:
    """Yield several users, whose processes end with the test."""
    with several_users() as found:
        yield found


def started(*command: str, cwd: str = "/") -> subprocess.Popen[bytes]:
    """Start a program, and wait until it is ready."""
    popen = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=cwd)
    assert popen.stdout is not None
    assert popen.stdout.readline() == b"ready\n"
    return popen


def with_environment(content: str) -> subprocess.Popen[bytes]:
    """Start a program that shows the bytes of this expression as its environment."""
    return started(sys.executable, str(TARGETS / "environment.py"), content)


ENVIRONMENTS = {
    "no name": 'b"=A=b"',
    "nothing": 'b"="',
    "many": 'b"".join(b"a%d=" % n + bytes(1) for n in range(600_000))',
    "not text": 'b"\\xff\\xfe=\\xed\\xa0\\x80"',
    "a long file": f'b"COVERAGE_RCFILE=" + b"x" * {LONG}',
    "a long path": f'b"COVERAGE_RCFILE=" + b"../" * {LONG // 3} + b"x.toml"',
    "a long home": f'b"COVERAGE_RCFILE=~/x.toml" + bytes(1) + b"HOME=" + b"a/../" * {LONG // 5}',
    "many folders": f'b"PYTHONPATH=" + b"x:" * {LONG // 2}',
    "a long folder": f'b"VIRTUAL_ENV=" + b"a/../" * {LONG // 5}',
}


@pytest.mark.parametrize("attack", ENVIRONMENTS)
def test_environments(attack: str) -> None:
    """Any environment is soon read, or is an error with a remedy."""
    with with_environment(ENVIRONMENTS[attack]) as popen:
        try:
            process = Process(popen.pid)
            began = time.process_time()
            with contextlib.suppress(CovattachError):
                coverage_settings.read(process, None, {})
            target.own_coverage(process, target.find_interpreter(process))
            assert time.process_time() - began < SOON
        finally:
            popen.kill()


def test_a_deep_folder(covattach: Covattach) -> None:
    """A working directory whose path the kernel does not tell is an error with a remedy."""
    with tempfile.TemporaryDirectory() as folder:
        with started(sys.executable, "-c", DEEP, cwd=folder) as popen:
            done = covattach.run("start", str(popen.pid))
            popen.kill()
        subprocess.run(["rm", "-rf", "d" * 200], cwd=folder, check=True)

    assert done.code == 4
    assert f"/proc/{popen.pid}/cwd cannot be read" in done.err
    assert TRACEBACK not in done.err


@pytest.mark.parametrize("name", ["a/../" * 2000, "x" * 5000, "a\0b", "\ud800"])
def test_names_that_no_file_has(name: str) -> None:
    """A name that cannot be one of a file is that of none, and is not looked for step by step."""
    with FileView(Path("/"), "/", Owner(os.geteuid(), os.getegid())) as view:
        with pytest.raises(OSError, match=r".") as caught:
            view.stat(name)
        assert view.realpath(name)
    assert caught.value.errno in (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ)


REPLIES = {
    "a large number": {"points": 10**400, "since": 10**400, "snapshot_ms": -(10**400)},
    "no number": {"overhead": float("nan"), "max_overhead": float("inf"), "mark_ms": float("nan")},
    "a large count": {"files": [["/x.py", 10**400]], "thread": 10**400},
    "half of a pair": {"window": "\ud800", "windows": ["\ud800"], "off": "\ud800"},
    "depth": {"windows": [[[[[[[[[]]]]]]]]] * 2, "python": [[]], "core": {}},
    "flags for numbers": {"taken": True, "marshalled": True, "shift": True, "points": True},
    "imports": {"imported": {"since": 10**400, "modules": [], "python": [10**400, 1]}},
}


COMMANDS = {
    "status": ("--json",),
    "mark": ("login",),
    "dump": ("--format", "json", "--no-html"),
}


def test_others_go_on(users: Users, covattach: Covattach, tmp_path: Path) -> None:
    """Odd replies of some processes keep a command for several from none of the others."""
    # GIVEN several that are measured, all but one of which reply with nonsense
    source = users.public("honest.py")
    for more in REPLIES.values():
        users.lying(OTHER, answers=True, files={}, more=more)
    users.lying(OTHER, answers=True, files={str(source): [1, 2]})

    # WHEN a command is given for all of them
    for verb, more in COMMANDS.items():
        done = covattach.run(verb, "--name", str(users.program), *more, cwd=tmp_path)

        # THEN there is no traceback, and what the honest one says is there
        assert TRACEBACK not in done.err, verb
    assert "honest.py" in done.out + done.err


MEMBERS = {
    "no snapshot": {"taken": float("nan")},
    "its own error": {"error": "x", "traceback": "a line\nanother"},
    "less than it must": {"python": [[]]},
    "a large number": {"snapshot_ms": 10**400, "windows": [["w", [10**400, 1]]]},
}


def test_other_members_of_a_tree(users: Users, covattach: Covattach, tmp_path: Path) -> None:
    """Odd replies of some processes of a tree keep a command from none of the others."""
    # GIVEN a tree, all members of which but one reply with nonsense
    source, key = users.public("honest.py"), new_key()
    first = users.lying(OTHER, answers=True, files={str(source): [1]}, facts={"key": key})
    known = {"tree": str(first.path), "key": key}
    (first.path / "session.json").write_text(
        json.dumps({**json.loads((first.path / "session.json").read_text()), **known})
    )
    for number, more in enumerate(MEMBERS.values()):
        name = f"{first.path.name}-{number}"
        users.lying(OTHER, answers=True, name=name, facts=known, more=more, files={})

    # WHEN a command is given for all of them, THEN it tells of these, and of what the other ran
    covattach("status", first.pid)
    done = {
        verb: covattach(verb, first.pid, *more, cwd=tmp_path)
        for verb, more in {**COMMANDS, "stop": ("--no-html",)}.items()
    }
    for verb in ("dump", "stop"):
        assert "honest.py" in done[verb].out + done[verb].err
    assert done["mark"].err.count("is left out: ") == 1
    assert done["dump"].err.count("is left out: ") == 3
    assert not first.path.exists()
