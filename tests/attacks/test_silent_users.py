"""Attacks on the time of a command for several: processes that are measured, and silent."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator

import pytest
from support.command import Covattach
from support.users import OTHER, PYTHON, THIRD, TMP, Users, several_users

from covattach.deadline import OfCommand
from covattach.process.owner import Owner, as_owner
from covattach.process.process import Process
from covattach.session.folder_lookup import PREFIX


@pytest.fixture
def users() -> Iterator[Users]:
    """Give other users."""
    with several_users() as found:
        yield found


@contextlib.contextmanager
def silent(users: Users) -> Iterator[int]:
    """Have a process of another user's that says to be measured, and never answers."""
    words = [PYTHON, "-c", "input()", str(users.program)]
    who = {"user": OTHER, "group": OTHER, "extra_groups": []}
    path = TMP / f"{PREFIX}{secrets.token_hex(6)}"
    with (
        subprocess.Popen(words, stdin=subprocess.PIPE, cwd="/", **who) as popen,
        socket.socket(socket.AF_UNIX) as door,
    ):
        facts = {"pid": popen.pid, "start_time": Process(popen.pid).start_time}
        with as_owner(Owner(OTHER, OTHER)):
            path.mkdir(mode=0o700)
            (path / "session.json").write_text(json.dumps(facts))
            door.bind(str(path / "agent.sock"))
            os.chmod(path / "agent.sock", 0o600)
            door.listen(50)
        try:
            yield popen.pid
        finally:
            shutil.rmtree(path)
            popen.kill()


def test_the_others_of_a_name(users: Users, covattach: Covattach) -> None:
    """Whoever does not answer uses up no time of another user's: that one is in the report."""
    # GIVEN a process that is silent, and another user's that answers, after it
    source = users.public("source.py")
    with silent(users) as pid:
        honest = users.lying(THIRD, answers=True, files={str(source): [1]})

        # WHEN root reports on all of them, and has little time
        name = ("--name", users.program, "--timeout", "1", "--format", "json")
        done = covattach.run("dump", *name, "--json")

    # THEN the one is there, and of the other it is said
    assert f"Process {pid} is measured, but does not answer in time" in done.err
    assert [one["pid"] for one in json.loads(done.out)["processes"]] == [honest.pid]


def test_turns() -> None:
    """The processes of one user have the time of the command together, and others their own."""
    command = OfCommand()
    command.begin(100)
    for used in (60, 60):
        with command.turn_of(OTHER):
            command.worked -= used  # as if so many seconds had been waited
    with command.turn_of(OTHER):
        assert command.current().is_over
    with command.turn_of(THIRD), command.at_work():
        assert command.current().left > 90
    assert command.used[THIRD] < 1
    command.renew()
    with command.turn_of(OTHER):
        assert command.current().left > 90
