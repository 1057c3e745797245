"""Words of a target on the terminal: none of them reaches it as a control sequence.

No place can be forgotten: covattach/terminal.py alone prints, and its output is examined here.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import pty
import re
import secrets
import select
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from covattach.payloads.server.protocol import PROTOCOL
from rich.table import Table
from rich.text import Text
from support.command import Covattach
from support.interpreters import Interpreter
from support.targets import Launch
from support.waiting import PATIENCE, wait_for

from covattach import terminal
from covattach.cli import Commands, cli
from covattach.commands.output import say
from covattach.process.process import Process

ROOT = Path(__file__).parent.parent.parent
TMP = Path("/tmp")  # noqa: S108  where sessions are
BIDI, LINK = "\u202etxt.exe\u2066", "\x1b]8;;http://evil\x1b\\here\x1b]8;;\x1b\\"
EVIL = f"\x1b[2J\x1b]0;gone\x07\x9b31m\r{BIDI}{LINK}[red]x[/red]\x08\x7f\v\u2028\nRemedy: rm -rf /"
# What we send a terminal ourselves: styles, and what hides the progress again.
OURS = re.compile(r"\x1b\[(\d+(;\d+)*)?[mAK]|\x1b\[\?25[lh]|\r(?=\n|\x1b\[(2K|1A))")
PRINTING = {"print", "input", "breakpoint"}
STREAMS = {"sys.stdout", "sys.stderr", "sys.__stdout__", "sys.__stderr__"}


def assert_harmless(printed: str, is_terminal: bool = False) -> None:
    """Fail if a text has control characters, but for newlines and our own sequences."""
    text = OURS.sub("", printed) if is_terminal else printed
    found = {letter for letter in text if not letter.isprintable()} - {"\n"}
    assert not found, f"{found} in {printed!r}"


def sources() -> list[Path]:
    """Return the modules of ours that are executed here, but for the one that prints."""
    others = {"terminal.py", "demo_server.py", "compile_payloads.py"}  # they run elsewhere
    return [path for path in (ROOT / "covattach").rglob("*.py") if path.name not in others]


def prints(node: ast.AST) -> bool:
    """Tell whether a node of a source prints, or gets hold of a stream."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id in PRINTING or node.func.id == "Console"
    if not isinstance(node, ast.Attribute):
        return False
    of = node.value
    if isinstance(of, ast.Attribute) and ast.unparse(of) in STREAMS:  # sys.stderr.buffer, …
        return node.attr not in {"isatty", "flush", "fileno"}
    if isinstance(of, ast.Name):
        names = {"click": {"echo", "secho", "echo_via_pager"}, "os": {"write", "writev"}}
        return node.attr in names.get(of.id, set()) or (
            of.id == "sys" and node.attr in {"__stdout__", "__stderr__"}
        )
    return node.attr == "stream" and isinstance(of, ast.Call)


def test_nobody_else_prints() -> None:
    """No module of ours prints but by the one that makes things harmless."""
    found = [
        f"{path}: {ast.unparse(node)}"
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if prints(node)
    ]
    assert found == []


def test_the_lint_finds_what_it_looks_for() -> None:
    """The test above sees each way of printing."""
    ways = (
        "print(1)",
        "click.echo(1)",
        "sys.stderr.write(1)",
        "sys.stdout.buffer.write(1)",
        "sys.__stderr__.write(1)",
        "os.write(2, b'')",
        "Console()",
        "err().stream.write('')",
    )
    for way in ways:
        assert any(map(prints, ast.walk(ast.parse(way)))), way
    assert not any(map(prints, ast.walk(ast.parse("sys.stderr.isatty()"))))


def forgotten(how: str) -> None:
    """Print in a way that somebody could have forgotten."""
    table = Table(EVIL)
    table.add_row(EVIL)
    table.add_row(Text(EVIL))
    ways: dict[str, Callable[[], object]] = {
        "print": lambda: print(EVIL),
        "bytes": lambda: click.echo(EVIL.encode(), err=True),
        "click": lambda: click.echo(EVIL, err=True, color=True),
        "pager": lambda: click.echo_via_pager(EVIL),
        "say": lambda: say(EVIL, fg="red"),
        "screen": lambda: terminal.screen().print(EVIL, Text(EVIL)),
        "table": lambda: terminal.screen().print(table),
        "rule": lambda: terminal.screen().rule(EVIL),
        "write": lambda: sys.stderr.writelines([EVIL]),
        "painted": lambda: terminal.err().put(terminal.Painted((EVIL, "\x1b[31m"))),
        "usage": lambda: click.UsageError(EVIL).show(),
    }
    ways[how]()


WAYS = [
    "print",
    "bytes",
    "click",
    "pager",
    "say",
    "screen",
    "table",
    "rule",
    "write",
    "painted",
    "usage",
]


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("how", WAYS)
def test_forgotten_places(how: str, encoding: str) -> None:
    """Every way of printing a target's words prints plain text."""
    streams = [io.TextIOWrapper(io.BytesIO(), encoding, errors="strict") for _ in range(2)]
    with (
        contextlib.redirect_stdout(streams[0]),
        contextlib.redirect_stderr(streams[1]),
        terminal.installed(),
    ):
        forgotten(how)
    for stream in streams:
        stream.flush()
    said = "".join(stream.buffer.getvalue().decode(encoding) for stream in streams)  # type: ignore[attr-defined]

    assert "gone" in said
    assert_harmless(said.replace("\x1b[31m", "").replace("\x1b[0m", ""))
    if how in ("screen", "table", "rule"):
        assert "[red]" in said


def test_tracebacks_and_warnings_of_python() -> None:
    """Tracebacks and warnings that Python itself prints are made harmless."""
    script = (
        "import sys, warnings\n"
        "from covattach import terminal\n"
        "terminal.install()\n"
        f"warnings.warn({EVIL!r})\n"
        f"raise RuntimeError({EVIL!r})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, encoding="utf-8", check=False
    )
    assert done.stderr.count("[red]x[/red]") >= 2
    assert_harmless(done.stderr)


def test_words_of_click() -> None:
    """Errors of usage, help and completion are no way around either."""

    @click.group(cls=Commands)
    def group() -> None:
        """Do nothing."""

    @group.command(help=EVIL.replace("\n", " "))
    @click.argument("word", type=click.Choice([EVIL]))
    def command(word: str) -> None:
        """Do nothing."""

    for arguments in (["command", EVIL + "?"], [EVIL], ["command", f"--{EVIL}"], ["--help"]):
        done = CliRunner().invoke(group, arguments, color=True)
        assert "gone" in done.output
        assert_harmless(done.output)


class Agent:
    """A session's agent that gives the same reply to every request."""

    def __init__(self, process: Process, folder: Path) -> None:
        self.process, self.folder = process, folder
        source = folder / f"{EVIL.replace('/', '')[:40]}.py"
        source.write_text(f"x = '''{EVIL[:20]}'''\n")
        facts = {"pid": process.pid, "start_time": process.start_time, "cwd": str(folder)}
        words = {"python": EVIL, "core": EVIL, "command": EVIL, "role": EVIL, "window": EVIL}
        (folder / "session.json").write_text(json.dumps({**facts, **words, "method": EVIL}))
        self.reply = {
            **{"protocol": PROTOCOL, "measuring": True, "branch": False, "since": 1.0},
            **{"taken": 2.0, "kind": "lines", "files": [[str(source), 1]], "previous": EVIL},
            **{"windows": [[EVIL.replace("\0", ""), [0, 1]]], "mark_ms": 1.0, "thread": 1},
            **{"coverage": "7.17", "python": "3.11", "core": "ctrace", "warnings": [EVIL] * 2},
            **{"off": EVIL, "window": EVIL, "role": EVIL, "traceback": EVIL, "message": EVIL},
            **{"blob": 16, "entered": [[str(source), 1, EVIL, 1.0]]},
        }
        self.door = socket.socket(socket.AF_UNIX)
        self.door.bind(str(folder / "agent.sock"))
        self.door.listen()
        threading.Thread(target=self.answer, daemon=True).start()

    def answer(self) -> None:
        """Answer until the door is closed."""
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self.door.accept()
                with caller, contextlib.suppress(OSError):
                    while not caller.recv(65536).endswith(b"\n"):
                        continue
                    caller.sendall(json.dumps(self.reply).encode() + b"\n" + 2 * ONE)


ONE = (1).to_bytes(8, "little")


@pytest.fixture
def agent() -> Iterator[Agent]:
    """Start a process with an evil command line, and an agent that speaks for it."""
    folder = TMP / f"covattach-{secrets.token_hex(6)}"
    folder.mkdir(mode=0o700)
    with subprocess.Popen(["sleep", "600"]) as popen:
        found = Agent(wait_for(lambda: Process(popen.pid), "it runs"), folder)
        yield found
        found.door.close()
        popen.kill()
    shutil.rmtree(folder, ignore_errors=True)


def test_words_of_an_agent(agent: Agent, tmp_path: Path) -> None:
    """Windows, warnings, roles, functions, files, faults: each command shows them as text."""
    pid = str(agent.process.pid)
    commands = (
        ["status"],
        ["status", "--json"],
        ["mark", pid, "x"],
        ["-v", "dump", pid, "--no-html"],
        ["dump", pid, "--format", "text,html"],
        ["record", pid, "--", "true"],
        ["record", pid, "--diff", "a", "b"],
        ["-v", "start", pid],
        ["trace", pid, "--limit", "1"],
        ["doctor", pid],
        ["-v", "stop", pid, "--no-html"],
    )
    said = ""
    with contextlib.chdir(tmp_path):
        for arguments in commands:
            for error in (None, "refused", "payload", "no-coverage"):
                agent.reply.pop("error", None)
                agent.reply.update({"error": error} if error else {})
                if error and arguments[0] in ("doctor", "record"):
                    continue
                done = CliRunner().invoke(cli, arguments, color=True)
                assert_harmless(done.output)
                assert done.exit_code in range(10)
                assert not re.search("^Remedy: rm", done.output, re.M), arguments
                said += done.output
    assert said.count("txt.exe") > 20


NAMES = f"""
import ctypes, os, sys, threading
name = {EVIL.replace(chr(0), "")[:15]!r}
ctypes.CDLL(None).prctl(15, name.encode()[:15], 0, 0, 0)
exec({"def " + "f():" + chr(10) + "    pass"!r})
f.__code__ = f.__code__.replace(co_name={EVIL!r}, co_filename={EVIL!r})
def work():
    while not ended.wait(0.01):
        f()
ended = threading.Event()
threading.Thread(target=work, name={EVIL!r}, daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.pythons("3.11", stress=("3.14",))
def test_words_of_a_process(interpreter: Interpreter, launch: Launch, tmp_path: Path) -> None:
    """Command lines, names of threads and functions: on a terminal, they are text as well."""
    script = tmp_path / "names.py"
    script.write_text(NAMES)
    target = launch(interpreter, script, EVIL, bare=True)

    for arguments in (
        ["ps"],
        ["start", "--name", "names.py"],
        ["status"],
        ["trace", str(target.pid), "--limit", "3", "--args", "--returns"],
        ["stop", str(target.pid), "--no-dump"],
    ):
        said = on_a_terminal(arguments, tmp_path)
        assert_harmless(said.replace("\r\n", "\n"), is_terminal=True)


def on_a_terminal(arguments: list[str], folder: Path) -> str:
    """Return the output of a command on a terminal of its own."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "covattach", *arguments]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "300"}
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env=environment
    ) as popen:
        os.close(theirs)
        said, deadline = b"", time.monotonic() + PATIENCE
        with contextlib.suppress(OSError):  # EIO: it has ended
            while select.select([ours], [], [], deadline - time.monotonic())[0]:
                said += os.read(ours, 65536)
        assert popen.wait(PATIENCE) == 0, said
    os.close(ours)
    return said.decode(errors="replace")


def test_a_configuration(covattach: Covattach, tmp_path: Path) -> None:
    """Coverage's error about a configuration is printed as plain text."""
    (tmp_path / ".coveragerc").write_text(
        f"[report]\nexclude_lines =\n    ({EVIL[:30]!r}\n[{EVIL}\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", "input()", EVIL], stdin=subprocess.PIPE, cwd=tmp_path
    ) as popen:
        done = covattach.run("start", popen.pid, "--rcfile", tmp_path / ".coveragerc")
        popen.kill()
    assert done.code == 2
    assert_harmless(done.err)
