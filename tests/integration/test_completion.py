"""Completion in real shells: commands, and PIDs with their command lines."""

from __future__ import annotations

import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
from fcntl import ioctl
from pathlib import Path

import pytest
from support.command import Covattach
from support.interpreters import Interpreter
from support.targets import Launch, descendants
from support.waiting import wait_for

BIN = Path(sys.executable).parent
ENVIRONMENT = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "TERM": "xterm"}
READS = b"\x1b[?2004h"  # what zsh tells a terminal when it begins to read a line


def run(*words: str) -> str:
    """Run a shell; return its output."""
    done = subprocess.run(words, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    print(done.stdout, done.stderr)
    return done.stdout


def bash(line: str, begun: str) -> str:
    """Return bash's completions of a word begun at the end of a line, with their descriptions."""
    words = line.split()
    return run(
        *("bash", "--norc", "-c"),
        'eval "$(_COVATTACH_COMPLETE=bash_source covattach)"\n'
        f"COMP_WORDS=({line} '{begun}') COMP_CWORD={len(words)}\n"
        '_covattach_completion covattach\nprintf "%s\\n" "${COMPREPLY[@]}"',
    )


def fish(line: str, begun: str) -> str:
    """Return fish's completions of such a word, with their descriptions."""
    script = f"_COVATTACH_COMPLETE=fish_source covattach | source; complete -C '{line} {begun}'"
    return run("fish", "--no-config", "-c", script)


def zsh(line: str, begun: str) -> str:
    """Return zsh's output for that line and the Tab key, on a large terminal."""
    pid, terminal = pty.fork()
    if not pid:
        os.execvpe("zsh", ["zsh", "-f", "-i"], ENVIRONMENT)  # noqa: S606
    shown = b""

    def type_in(text: str, until: bytes) -> None:
        nonlocal shown
        shown = b""
        print(f"typed {text!r}")
        os.write(terminal, text.encode())
        wait_for(lambda: READS in read().partition(until)[2], f"{until!r}")

    def read() -> bytes:
        nonlocal shown
        while select.select([terminal], [], [], 0)[0]:
            part = os.read(terminal, 65536)
            print(f"shown {part!r}")
            shown += part
        return shown

    try:
        ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", 900, 200, 0, 0))
        type_in("LISTMAX=900; unsetopt LIST_AMBIGUOUS; echo rea'dy0'\n", b"ready0")
        type_in("autoload -U compinit; compinit -u -D; echo rea'dy1'\n", b"ready1")
        type_in("eval \"$(_COVATTACH_COMPLETE=zsh_source covattach)\"; echo rea'dy2'\n", b"ready2")
        os.write(terminal, f"{line} {begun}\t".encode())
        wait_for(lambda: descendants(pid), "it to ask covattach")
        wait_for(lambda: read() and not descendants(pid), "covattach to answer")
        offered = shown  # as far as it has come; all of it has when the shell does something else
        type_in("\x15echo rea'dy3'\n", b"ready3")
        return (offered + shown).decode(errors="replace")
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(terminal)


@pytest.mark.pythons("3.11")
@pytest.mark.timeout(300)  # nine times covattach, which looks at all processes of the host
def test_pids_with_their_command_lines(
    interpreter: Interpreter, covattach: Covattach, launch: Launch
) -> None:
    """A shell completes `dump` with measured processes, and `trace` with all of them."""
    # GIVEN a target that is measured and one that is not
    measured = launch(interpreter, "idle.py", "event", "its:own")
    other = launch(interpreter, "idle.py", "event", "other:one")
    covattach("start", measured.pid)

    begun = str(measured.pid)[:2] if str(measured.pid)[:2] == str(other.pid)[:2] else ""
    for offered in (bash, zsh, fish):
        # THEN both are offered to `trace`, with their command lines
        traced = offered("covattach trace", begun)
        assert str(measured.pid) in traced
        assert str(other.pid) in traced
        assert "idle.py event other:one" in traced

        # AND only the measured one is offered to `dump`
        dumped = offered("covattach dump", begun)
        assert str(measured.pid) in dumped
        assert not re.search(rf"\b{other.pid}\b", dumped)

        # AND commands are explained
        assert "Print the function calls" in offered("covattach", "")
    covattach("stop", measured.pid, "--no-dump")
