"""Surroundings of covattach itself: streams closed or full, and variables of coverage's."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support.command import Covattach
from support.interpreters import Interpreter
from support.targets import Launch

CLOSED = ("0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-")


def by_shell(covattach: Covattach, words: str, streams: str) -> tuple[int, str]:
    """Run a command whose streams a shell changes; return its exit status and standard error."""
    program = " ".join(covattach.program).removesuffix(" -v")
    done = subprocess.run(
        ["/bin/sh", "-c", f"{program} {words} {streams}"],
        cwd=covattach.folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done.returncode, done.stderr


@pytest.mark.pythons("3.11")
@pytest.mark.parametrize("streams", [*CLOSED, "2>/dev/full"])
def test_no_streams(
    interpreter: Interpreter, streams: str, covattach: Covattach, launch: Launch
) -> None:
    """Whoever closes a stream gets the same work done, and no file of ours takes its place."""
    # GIVEN a target
    pid = launch(interpreter, "idle.py", "event").pid

    # WHEN each command is run with streams that are closed, THEN its exit code is as ever
    commands = ("start", "status", "dump --no-html", "mark", "trace --for 1", "stop --no-dump")
    for command in commands:
        words = f"{command} {pid}" + (" name" if command == "mark" else "")
        assert by_shell(covattach, words, streams)[0] == 0, command
    for words in ("--version", "--help"):
        assert by_shell(covattach, words, streams)[0] == 0, words
    assert by_shell(covattach, "mark 1", streams)[0] == 2
    assert (covattach.folder / ".coverage").read_bytes().startswith(b"SQLite format 3")


@pytest.mark.parametrize("words", ["--version", "--help", "ps --json"])
def test_full_output(words: str, covattach: Covattach) -> None:
    """Facts that cannot be written are an error."""
    code, said = by_shell(covattach, words, ">/dev/full")
    assert code == 1
    assert "Standard output cannot be written (No space left on device)." in said


@pytest.mark.pythons("3.11")
@pytest.mark.parametrize("variable", ["COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"])
def test_coverage_of_us(
    interpreter: Interpreter,
    variable: str,
    covattach: Covattach,
    launch: Launch,
    tmp_path: Path,
) -> None:
    """A coverage that the environment starts in every Python does not measure us."""
    # GIVEN an environment by which all Pythons are measured
    import coverage

    rcfile = tmp_path / "rc"
    rcfile.write_text("[run]\nbranch = true\n")
    serialized = coverage.Coverage(config_file=str(rcfile)).config.serialize()
    value = str(rcfile) if variable == "COVERAGE_PROCESS_START" else serialized
    environment = {variable: value}
    target = launch(interpreter, "idle.py", "event")

    # WHEN each command is run in it, THEN the data is of the target alone
    covattach("start", target.pid, env=environment)
    target.ask("later()")
    covattach("status", target.pid, env=environment)
    assert not list(covattach.folder.glob(".coverage*"))
    covattach("dump", target.pid, "--no-html", env=environment)
    data = coverage.CoverageData(str(covattach.folder / ".coverage"))
    data.read()
    assert {Path(name).name for name in data.measured_files()} <= {"idle.py", "answering.py"}
    covattach("record", target.pid, "--", "/bin/true", env=environment)
    covattach("stop", target.pid, "--no-html", env=environment)

    # AND a command of the user's has it
    script = f"import os; assert os.environ[{variable!r}] == {value!r}"
    words = ("run", "--no-html", "--", interpreter.python, "-c", script)
    covattach(*words, env=environment)
