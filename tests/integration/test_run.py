"""`covattach run`: every Python process of a program, and nothing else about it."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import coverage
import pytest
from support.command import Covattach
from support.interpreters import Interpreter, newest
from support.marks import marked
from support.targets import TARGETS, session_folders
from support.waiting import wait_for

FAMILY = TARGETS / "family.py"
PYTHONS = pytest.mark.pythons("3.9", "3.11", "3.13", "3.14")
ONE = pytest.mark.pythons("3.11")


def lines(data_file: Path) -> dict[str, set[int]]:
    """Return the executed lines in a data file, by the last part of the file's name."""
    data = coverage.CoverageData(str(data_file))
    data.read()
    return {Path(name).name: set(data.lines(name) or ()) for name in data.measured_files()}


def folders(pid: int) -> list[Path]:
    """Return the session folders whose facts have a PID."""
    return [folder for folder, facts in session_folders() if facts.get("pid") == pid]


def site(interpreter: Interpreter) -> dict[str, str]:
    """Return the environment in which an interpreter finds its packages."""
    return {"PYTHONPATH": interpreter.site}


class Running:
    """A program under `covattach run` that goes on, until its standard input ends."""

    def __init__(self, covattach: Covattach, *words: object, **how: Any) -> None:
        self.popen = subprocess.Popen(
            [*covattach.program, "run", "--no-html", *map(str, words)],
            cwd=covattach.folder,
            stdin=how.pop("stdin", subprocess.PIPE),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **how,
        )

    def line(self, start: str) -> str:
        """Return the rest of the next line that begins so."""
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            if line.startswith(start):
                return line.removeprefix(start).strip()
        raise AssertionError(f"it ended without saying {start!r}: {self.popen.stderr.read()}")

    def tell(self) -> None:
        """Send it a line."""
        assert self.popen.stdin is not None
        self.popen.stdin.write("\n")
        self.popen.stdin.flush()

    def end(self) -> tuple[int, str]:
        """End its input; return the exit status, and its text on standard error."""
        _, said = self.popen.communicate(timeout=60)
        print(said)
        return self.popen.returncode, said


@pytest.fixture
def running(covattach: Covattach) -> Iterator[Callable[..., Running]]:
    """Run programs that are ended with the test."""
    started: list[Running] = []

    def run(*words: object, **how: Any) -> Running:
        started.append(Running(covattach, *words, **how))
        return started[-1]

    yield run
    for one in started:
        if one.popen.poll() is None:
            one.popen.send_signal(signal.SIGTERM)
            one.popen.communicate(timeout=60)


@PYTHONS
def test_every_process_is_measured_from_its_first_line(
    interpreter: Interpreter, covattach: Covattach
) -> None:
    """The lines of each process are measured from the first on, and nothing is left behind."""
    words = ("run", "--json", "--", interpreter.python, FAMILY)
    done = covattach.run(*words, env=site(interpreter))

    assert done.code == 7, "the exit code is that of the program"
    said, _, facts = done.out.partition("{")
    assert said == "replaced\n"
    found = json.loads("{" + facts)
    assert (found["exit_code"], found["still_measured"]) == (7, [])
    assert lines(covattach.folder / ".coverage")["family.py"] - {1} == marked(FAMILY, "# ran")
    assert (covattach.folder / "htmlcov/index.html").exists()
    assert not folders(found["pid"])


@pytest.mark.pythons("3.9", "3.14")
def test_program_sees_nothing_of_it(
    interpreter: Interpreter, covattach: Covattach, tmp_path: Path
) -> None:
    """Its environment, its `sys.path` and its own `sitecustomize` are as without us."""
    (tmp_path / "sitecustomize.py").write_text("import os\nos.environ['CUSTOMIZED'] = 'yes'\n")
    env = {"PYTHONPATH": f"{tmp_path}:{interpreter.site}", "COVERAGE_PROCESS_START": None}
    program = [interpreter.python, str(TARGETS / "surroundings.py"), "--json", "-x"]
    alone = dict(os.environ, PYTHONPATH=f"{tmp_path}:{interpreter.site}")
    before = subprocess.run(
        program, env=alone, capture_output=True, check=True, cwd=covattach.folder
    )

    done = covattach("run", "--no-html", "--", *program, env={**env, "COVATTACH_TIMEOUT": None})

    assert json.loads(done.out) == json.loads(before.stdout)
    assert json.loads(done.out)["environment"]["CUSTOMIZED"] == "yes"
    assert lines(covattach.folder / ".coverage")["sitecustomize.py"] == {1, 2}


@ONE
@pytest.mark.parametrize("end", ["sys.exit(3)", "os.kill(os.getpid(), 15)", "os.abort()"])
def test_end_of_the_program_is_ours(
    interpreter: Interpreter, covattach: Covattach, end: str
) -> None:
    """`run` ends as its program does, by a signal too, and leaves no core file."""
    program = [interpreter.python, "-c", f"import os, sys, time; {end}"]
    alone = subprocess.run(program, cwd=covattach.folder, check=False).returncode
    done = covattach.run("run", "--no-html", "--", *program, env=site(interpreter))
    assert done.code == alone
    assert not list(covattach.folder.glob("core*"))


@ONE
def test_signals_are_for_the_program(
    interpreter: Interpreter, running: Callable[..., Running]
) -> None:
    """A Ctrl-C comes once, from the terminal; signals to covattach are sent on."""
    leader, follower = pty.openpty()
    program = running(
        "--",
        interpreter.python,
        TARGETS / "interrupted.py",
        stdin=follower,
        start_new_session=True,
        preexec_fn=take_terminal,
        env={**os.environ, **site(interpreter)},
    )
    os.close(follower)
    program.line("ready")
    os.write(leader, b"\x03")
    program.line("signal 2")
    for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT):
        program.popen.send_signal(number)
        program.line(f"signal {int(number)}")
    os.write(leader, b"\n")
    assert program.line("count") == "4"
    os.write(leader, b"\x04")  # the end of its standard input
    assert program.end()[0] == 4
    os.close(leader)


def take_terminal() -> None:
    """Have standard input be the terminal of the new session."""
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.mark.pythons("3.9", "3.14")
def test_program_that_runs_for_ever(
    interpreter: Interpreter, covattach: Covattach, running: Callable[..., Running]
) -> None:
    """A running program can be marked and dumped by its PID, and goes on."""
    target = TARGETS / "interrupted.py"
    env = {**os.environ, **site(interpreter)}
    program = running("--data-file", "last", "--", interpreter.python, target, env=env)
    pid = int(program.line("ready"))
    wait_for(lambda: len(folders(pid)) == 2, "the process opens its door")

    (status,) = covattach("status", pid, "--json").facts
    assert (status["pid"], status["alive"]) == (pid, True)
    covattach("mark", pid, "window")
    program.tell()
    program.line("count")
    covattach("dump", pid, "--no-html")
    dumped = lines(covattach.folder / ".coverage")["interrupted.py"]
    last = len(target.read_text().splitlines())
    assert last - 1 in dumped
    assert last not in dumped
    assert covattach("start", pid, "--json").facts["already"]

    assert program.popen.stdin is not None
    program.popen.stdin.close()
    assert program.popen.wait(60) == 0
    assert last in lines(covattach.folder / "last")["interrupted.py"]
    assert not folders(pid)


@ONE
def test_what_outlives_the_program(
    interpreter: Interpreter, covattach: Covattach, tmp_path: Path
) -> None:
    """A daemon is named, goes on being measured, and can be stopped by the program's PID."""
    daemon = tmp_path / "daemon.py"
    daemon.write_text(
        "import os, signal\n"
        "def on(*_):\n    os.write(1, b'working\\n')\n"
        "signal.signal(signal.SIGUSR1, on)\n"
        "print(os.getpid(), flush=True)\n"
        "while True:\n    signal.pause()\n"
    )
    log = tmp_path / "log"
    command = f"{interpreter.python} {daemon} > {log} 2>&1 & while ! grep -q . {log}; do :; done"
    done = covattach("run", "--no-html", "--json", "--", "sh", "-c", command, env=site(interpreter))
    pid = int(log.read_text())
    try:
        assert done.facts["still_measured"] == [pid]
        assert f"Still running, and measured: {pid}." in done.err
        assert 3 not in lines(covattach.folder / ".coverage")["daemon.py"]
        os.kill(pid, signal.SIGUSR1)
        wait_for(lambda: "working" in log.read_text(), "the daemon works")
        covattach("status")  # it finds folders of processes that have ended, and lets these be
        covattach("stop", done.facts["pid"], "--no-html")
        assert 3 in lines(covattach.folder / ".coverage")["daemon.py"]
        assert not folders(done.facts["pid"])
        os.kill(pid, 0)
    finally:
        os.kill(pid, signal.SIGKILL)


@ONE
def test_what_cannot_be_measured_runs(
    interpreter: Interpreter, covattach: Covattach, tmp_path: Path
) -> None:
    """A Python without a coverage, or that looks at no environment, runs, and is told of."""
    old = newest("3.9").python
    cache = {"XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": None}
    done = covattach("run", "--", old, "-c", "print('runs')", env=cache)
    assert done.out == "runs\n"
    assert "there is no coverage for Python 3.9" in done.line("Warning: ")
    assert "covattach provision --python 3.9" in done.line("Warning: ")

    done = covattach("run", "--", interpreter.python, "-I", "-c", "print('runs')")
    assert done.out == "runs\n"
    assert "-I does not look" in done.line("Warning: ")

    assert "Nothing was measured" in covattach("run", "--", "true").err
    assert not (covattach.folder / ".coverage").exists()


@ONE
def test_coverage_that_is_there_is_left_alone(
    interpreter: Interpreter, covattach: Covattach, tmp_path: Path
) -> None:
    """A program that coverage's own `.pth` measures, or that measures itself, is coverage's."""
    (tmp_path / "rc").write_text(f"[run]\nparallel = true\ndata_file = {tmp_path}/theirs\n")
    program = tmp_path / "program.py"
    program.write_text("def one():\n    return 1\none()\n")
    start = "import coverage; coverage.process_startup()\n"
    (tmp_path / "site").mkdir()
    (tmp_path / "site/own.pth").write_text(start)
    site_of_it = f"import site; site.addsitedir({str(tmp_path / 'site')!r})"
    env = {**site(interpreter), "COVERAGE_PROCESS_START": str(tmp_path / "rc")}
    words = (
        interpreter.python,
        "-c",
        f"{site_of_it}; import runpy; runpy.run_path({str(program)!r})",
    )

    covattach("run", "--no-html", "--data-file", tmp_path / "mine", "--", *words, env=env)

    found = set()
    for path in tmp_path.glob("theirs.*"):
        found |= lines(path).get("program.py", set())
    assert found == {1, 2, 3}

    words = (interpreter.python, "-m", "coverage", "run", f"--data-file={tmp_path}/own", program)
    covattach("run", "--no-html", "--", *words, env=site(interpreter))
    assert lines(tmp_path / "own")["program.py"] == {1, 2, 3}


@ONE
def test_pythons_of_several_versions(
    interpreter: Interpreter, covattach: Covattach, tmp_path: Path
) -> None:
    """A coverage is found for each of them, and each has the core that is best for it."""
    old, new = newest("3.9"), newest("3.14")
    shutil.copytree(Path(old.site) / "coverage", tmp_path / "covattach/coverage/3.9/coverage")
    program = tmp_path / "several.py"
    program.write_text(
        "import subprocess, sys\n"
        "if sys.version_info[:2] == (3, 9):\n    print('old')\n"
        "elif sys.version_info[:2] == (3, 14):\n    print('new')\n"
        "else:\n"
        f"    for python in ({old.python!r}, {new.python!r}):\n"
        "        subprocess.run([python, __file__], check=True)\n"
    )
    words = ("run", "--no-html", "--", interpreter.python, program)
    done = covattach(*words, env={"XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": None})
    assert done.out.splitlines() == ["old", "new"]
    assert "Warning" not in done.err
    assert lines(covattach.folder / ".coverage")["several.py"] == {1, 2, 3, 4, 5, 7, 8}


@ONE
def test_one_name_for_sources_under_several_roots(
    interpreter: Interpreter, covattach: Covattach, tmp_path: Path
) -> None:
    """With [paths] in the configuration, copies of a source are one file of the report."""
    text = "import sys\nif sys.argv[1] == 'one':\n    one = 1\nelse:\n    two = 2\n"
    for root in (covattach.folder / "src", tmp_path / "deployed"):
        root.mkdir()
        (root / "unit.py").write_text(text)
    rules = f"[paths]\nsource =\n    src\n    {tmp_path}/deployed\n"
    (covattach.folder / ".coveragerc").write_text(rules)
    python = interpreter.python
    command = f"{python} src/unit.py one; {python} {tmp_path}/deployed/unit.py two"

    covattach("run", "--no-html", "--", "sh", "-c", command, env=site(interpreter))

    data = coverage.CoverageData(str(covattach.folder / ".coverage"))
    data.read()
    (name,) = (name for name in data.measured_files() if name.endswith("unit.py"))
    assert name == str(covattach.folder / "src/unit.py")
    assert set(data.lines(name) or ()) == {1, 2, 3, 5}


def test_command_that_is_none(covattach: Covattach) -> None:
    """A script without `python` is refused with the right command; so is a missing program."""
    said = covattach.fails(2, "run", "--", "shop.py")
    assert "covattach run -- python" in said
    assert "cannot be started" in covattach.fails(2, "run", "--", "/nonexistent/program")
