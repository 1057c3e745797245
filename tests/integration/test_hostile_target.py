"""A target whose agent lies: no command of ours ends with a traceback."""

from __future__ import annotations

import contextlib
import json
import os
import random
import secrets
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.command import TRACEBACK, Covattach
from support.interpreters import Interpreter
from support.targets import Launch

from covattach.cli import cli
from covattach.injector import remote_exec
from covattach.process.interpreter import find_interpreter
from covattach.process.memory import open_memory
from covattach.process.process import Process
from covattach.session.folder import SessionFolder
from covattach.untrusted import CHECKS

GOOD = {
    "protocol": 1,
    "measuring": True,
    "python": "3.11.2",
    "core": "ctrace",
    "coverage": "7.17.3",
    "branch": False,
    "warnings": [],
    "since": 1.0,
    "taken": 2.0,
    "kind": "lines",
    "files": [["/nowhere/x.py", 1]],
    "previous": "",
    "windows": [],
    "mark_ms": 1.0,
    "thread": 1,
}
BLOB = (1).to_bytes(8, "little")
NASTY = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["\x1b]0;gone\x07", "\ud800", "[/]", "a\0b", "../../etc", "9" * 400]),
    st.lists(st.integers() | st.text(max_size=4), max_size=3),
    st.dictionaries(st.text(max_size=4), st.integers(), max_size=2),
)
NAMES = st.sampled_from([*GOOD, *CHECKS, "error", "blob"])
CHANGES = st.dictionaries(NAMES, NASTY, max_size=3)
COMMANDS = (
    ("status",),
    ("status", "--json"),
    ("mark", "x"),
    ("dump", "--format", "json"),
    ("start",),
    ("stop", "--no-html"),
)


class Liar:
    """An agent that answers every request with the same reply, for a process that sleeps."""

    def __init__(self) -> None:
        self.popen = subprocess.Popen(["sleep", "1000"])
        self.process = Process(self.popen.pid)
        self.reply = b""

    @contextlib.contextmanager
    def session(self, said: dict[str, Any], facts: dict[str, Any]) -> Iterator[None]:
        """Listen in a session's folder."""
        self.reply = json.dumps({"blob": len(BLOB), **GOOD, **said}).encode() + b"\n" + BLOB
        path = Path("/tmp") / f"covattach-{secrets.token_hex(6)}"  # noqa: S108
        path.mkdir(mode=0o700)
        folder = SessionFolder(path, str(path))
        own = {"pid": self.process.pid, "start_time": self.process.start_time}
        folder.write_facts({"cwd": "/", "settings": {}, **facts, **own})
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(folder.socket))
            listener.listen()
            thread = threading.Thread(target=self.answer, args=(listener,))
            thread.start()
            try:
                yield
            finally:
                listener.shutdown(socket.SHUT_RDWR)
                thread.join()
                shutil.rmtree(path, ignore_errors=True)

    def answer(self, listener: socket.socket) -> None:
        """Answer until nobody listens any more."""
        with contextlib.suppress(OSError):
            while True:
                with listener.accept()[0] as caller, contextlib.suppress(OSError):
                    caller.recv(65536)
                    caller.sendall(self.reply)


@pytest.fixture(scope="module")
def liar() -> Iterator[Liar]:
    """Give an agent that lies."""
    found = Liar()
    yield found
    found.popen.kill()
    found.popen.wait()


def commands_survive(liar: Liar, said: dict[str, Any], facts: dict[str, Any]) -> None:
    """Run the commands; each ends with an error of ours, or well."""
    for name, *options in COMMANDS:
        with liar.session(said, facts):
            arguments = [name, str(liar.process.pid), *options]
            done = CliRunner().invoke(cli, arguments)
        assert isinstance(done.exception, SystemExit | None), (arguments, repr(done.exception))
        assert not set(done.output) & {"\x1b", "\x07"}, arguments
        assert done.exit_code in range(9), (arguments, done.output)


QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@given(CHANGES, CHANGES)
@example({"python": "\x1b]0;gone\x07"}, {})
@example({"python": "[/]"}, {})
@settings(max_examples=12, deadline=None, suppress_health_check=QUIET)
def test_lies(liar: Liar, tmp_path: Path, said: dict[str, Any], facts: dict[str, Any]) -> None:
    """Lies in an agent's replies or in its session folder end no command with a traceback."""
    with contextlib.chdir(tmp_path):
        commands_survive(liar, said, facts)


@pytest.mark.stress
@pytest.mark.timeout(1200)
@given(CHANGES, CHANGES)
@settings(max_examples=1000, deadline=None, suppress_health_check=QUIET)
def test_a_thousand_lies(
    liar: Liar, tmp_path: Path, said: dict[str, Any], facts: dict[str, Any]
) -> None:
    """A thousand sets of lies end no command with a traceback."""
    with contextlib.chdir(tmp_path):
        commands_survive(liar, said, facts)


def test_the_truth(liar: Liar, tmp_path: Path) -> None:
    """The replies that the lies are made of are those of a working session."""
    with contextlib.chdir(tmp_path), liar.session({}, {}):
        done = CliRunner().invoke(cli, ["dump", str(liar.process.pid)])
        assert done.exit_code == 0, done.output
    assert os.path.exists(tmp_path / ".coverage")


@pytest.mark.pythons("3.14")
def test_an_interpreter_that_describes_itself_wrongly(
    interpreter: Interpreter, launch: Launch, covattach: Covattach
) -> None:
    """Offsets that lead nowhere, or far away, are an error of ours and no traceback."""
    chance = random.Random(1)  # noqa: S311  the same nonsense every time
    target = launch(interpreter, "idle.py", "sleep")
    process = Process(target.pid)
    runtime = find_interpreter(process).runtime
    with open_memory(process) as memory:
        table = memory.read(runtime, 8 * 95)
        for _ in range(12):
            # GIVEN a target whose table of offsets is damaged, but for how it begins
            at = chance.choice((5, 9, 10, 24, 28, 89, 90, 91, 92, 93)) * 8
            word = chance.choice((b"\xff" * 8, b"\x80" + bytes(7), chance.randbytes(8), bytes(8)))
            memory.write(runtime, table[:at] + word + table[at + 8 :])

            # WHEN it is looked at, THEN it ends well, or with an error of ours
            done = covattach.run("doctor", target.pid)
            memory.write(runtime, table)
            assert done.code in range(9), done.err
            assert TRACEBACK not in done.err
            with contextlib.suppress(remote_exec.Disabled), open_memory(process) as again:
                memory.write(runtime, table[:at] + word + table[at + 8 :])
                support = remote_exec.read_support(again, find_interpreter(process))
                remote_exec.existing(again, find_interpreter(process), support)
                remote_exec.main_thread(again, find_interpreter(process), support)
            memory.write(runtime, table)
    covattach("start", target.pid)
    covattach("stop", target.pid, "--no-dump")
