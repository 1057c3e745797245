"""Each error is one sentence, one remedy and an exit code, and leaves the target untouched."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from support.command import Covattach
from support.interpreters import Interpreter, interpreters
from support.targets import TARGETS, Launch, open_to_all
from support.waiting import wait_for

from covattach.errors import NoTarget
from covattach.process.memory import open_memory
from covattach.process.process import Process

NOBODY = 65534
NEEDED = ("click", "coverage", "elftools", "rich", "pygments", "markdown_it", "mdurl")


@pytest.fixture
def shell() -> Iterator[subprocess.Popen[bytes]]:
    """Start a shell that waits for input."""
    with subprocess.Popen(["/bin/sh"], stdin=subprocess.PIPE) as popen:
        yield popen


def test_no_such_process(covattach: Covattach) -> None:
    """A PID that nobody has is exit code 3, for every command."""
    # GIVEN the PID of a process that has ended
    with subprocess.Popen(["/bin/true"]) as popen:
        popen.wait()

    # WHEN it is asked for, THEN there is none
    for command in ("start", "dump", "stop"):
        assert f"There is no process {popen.pid}" in covattach.fails(3, command, popen.pid)
    covattach.fails(3, "start", 2**31 - 1)
    covattach.fails(3, "status", popen.pid)


def test_shell(shell: subprocess.Popen[bytes], covattach: Covattach) -> None:
    """A process that is not Python's is exit code 3, and runs on."""
    # GIVEN a shell, WHEN it is attached to, THEN that is refused
    assert "not a Python process" in covattach.fails(3, "start", shell.pid)
    covattach.fails(8, "dump", shell.pid)

    # AND the shell goes on as before
    assert shell.stdin is not None
    shell.stdin.write(b"exit 5\n")
    shell.stdin.close()
    assert shell.wait(20) == 5


def test_thread_is_no_process(covattach: Covattach, launch: Launch) -> None:
    """A thread's number, under which /proc has an entry too, is not taken for a process."""
    # GIVEN a target with a second thread
    target = launch(interpreters()[-1], "idle.py", "sleep")
    before = target.residue()
    thread = max(int(name) for name in os.listdir(f"/proc/{target.pid}/task"))

    # WHEN that is attached to, THEN it is refused
    covattach.fails(3, "start", thread)
    target.assert_untouched(before)


def test_zombie(covattach: Covattach) -> None:
    """A process that has ended and was not reaped yet is refused."""
    # GIVEN a zombie
    with subprocess.Popen([sys.executable, "-c", ""]) as popen:
        stat = Path(f"/proc/{popen.pid}/stat")
        wait_for(lambda: stat.read_text().rpartition(")")[2].split()[0] == "Z", "its end")

        # WHEN it is attached to, THEN it is refused
        covattach.fails(5, "start", popen.pid)


@pytest.mark.pythons("3.11", "3.14")
def test_stopped_target(interpreter: Interpreter, covattach: Covattach, launch: Launch) -> None:
    """A stopped target is refused; it stays stopped, and is well when it goes on."""
    # GIVEN a target that was stopped
    target = launch(interpreter, "idle.py", "sleep")
    before = target.residue()
    os.kill(target.pid, signal.SIGSTOP)
    wait_for(lambda: target.status("State").startswith("T"), "the target to be stopped")

    # WHEN it is attached to, THEN that is refused, and it is still stopped
    said = covattach.fails(5, "start", target.pid)
    assert f"kill -CONT {target.pid}" in said
    assert target.status("State").startswith("T")

    # AND when it goes on, it is as before, and can be measured
    os.kill(target.pid, signal.SIGCONT)
    target.assert_untouched(before)
    covattach("start", target.pid)
    covattach("stop", target.pid, "--no-dump")


@pytest.mark.pythons("3.11", "3.14")
def test_stopped_while_it_is_measured(
    interpreter: Interpreter, covattach: Covattach, launch: Launch
) -> None:
    """Commands fail for a measured target that is suspended, and spoil nothing of its session."""
    # GIVEN a measured target that was stopped
    target = launch(interpreter, "idle.py", "sleep")
    before = target.residue()
    covattach("start", target.pid)
    target.ask("later()")
    os.kill(target.pid, signal.SIGSTOP)
    wait_for(lambda: target.status("State").startswith("T"), "the target to be stopped")

    # WHEN it is started or dumped, THEN that fails with a remedy
    for command in (("start",), ("dump", "--no-html"), ("stop", "--no-html")):
        done = covattach.run(command[0], target.pid, *command[1:])
        assert done.code == 5, done.err
        done.line("Remedy: ")
    assert target.status("State").startswith("T")

    # AND the session is as good as it was when it goes on
    os.kill(target.pid, signal.SIGCONT)
    covattach("dump", target.pid, "--no-html")
    covattach("stop", target.pid, "--no-dump")
    target.assert_untouched(before)


@pytest.mark.pythons("3.11", "3.14")
def test_traced_target(interpreter: Interpreter, covattach: Covattach, launch: Launch) -> None:
    """A target that another debugger has attached to is refused, and stays that one's."""
    # GIVEN a target that gdb is attached to, and lets run
    target = launch(interpreter, "idle.py", "sleep")
    before = target.residue()
    options = ("-nx", "-q", "-batch", "-iex", "set debuginfod enabled off", "-p", str(target.pid))
    with subprocess.Popen(
        ["gdb", *options, "-ex", "continue"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as gdb:
        wait_for(lambda: target.status("TracerPid") == str(gdb.pid), "gdb to attach")

        # WHEN it is attached to, THEN that is refused, with the debugger's PID
        assert str(gdb.pid) in covattach.fails(5, "start", target.pid)
        assert target.status("TracerPid") == str(gdb.pid)
        wait_for(lambda: target.status("State")[0] in "SR", "gdb to let it run")
        gdb.send_signal(signal.SIGINT)

    # AND it is as before when the debugger has gone
    wait_for(lambda: target.status("TracerPid") == "0", "gdb to detach")
    target.assert_untouched(before)


@pytest.mark.pythons("3.9", "3.11", "3.13")
def test_no_gdb(interpreter: Interpreter, covattach: Covattach, launch: Launch) -> None:
    """Where gdb is needed and is not on PATH, that is said."""
    # GIVEN a target that only gdb can get into, and a PATH without gdb
    target = launch(interpreter, "idle.py", "sleep")
    before = target.residue()

    # WHEN it is attached to, THEN the remedy is to install gdb
    said = covattach.fails(4, "start", target.pid, env={"PATH": "/nowhere"})
    assert "apt install gdb" in said
    target.assert_untouched(before)


@contextlib.contextmanager
def readable_covattach() -> Iterator[tuple[Path, str]]:
    """Give a folder with all that covattach needs, and a Python, which every user can read."""
    with open_to_all() as folder:
        for name in NEEDED:
            spec = find_spec(name)
            assert spec is not None
            assert spec.origin is not None
            shutil.copytree(Path(spec.origin).parent, folder / name)
        root = TARGETS.parent.parent
        shutil.copytree(root / "covattach", folder / "covattach")
        shutil.copytree(root / "payloads", folder / "covattach" / "payloads")
        candidates = [
            sys.executable,
            *(one.python for one in interpreters() if one.minor >= (3, 11)),
        ]
        for python in candidates:
            with contextlib.suppress(OSError):
                subprocess.run(
                    [python, "-c", "import ssl"], user=NOBODY, cwd="/", check=True, env={}
                )
                yield folder, python
                return
        raise AssertionError("no Python here can be run by nobody")


@pytest.mark.pythons("3.11", "3.14")
def test_target_of_another_user(interpreter: Interpreter, launch: Launch, tmp_path: Path) -> None:
    """Without rights a target of somebody else's is refused, and the remedy says who may."""
    assert os.geteuid() == 0, "only root can be two users"
    # GIVEN a target of ours
    target = launch(interpreter, "idle.py", "sleep")
    before = target.residue()

    # WHEN nobody attaches to it, THEN that is refused
    with readable_covattach() as (folder, python):
        theirs = Covattach(Path("/"))
        theirs.program = [python, "-m", "covattach", "-v"]
        as_nobody = {"user": NOBODY, "group": NOBODY, "env": {"PYTHONPATH": str(folder)}}
        said = theirs.fails(4, "start", target.pid, "--data-file", "/tmp/none", **as_nobody)  # noqa: S108
        assert "sudo" in said or "as root" in said
        target.assert_untouched(before)

        # AND it cannot look into a session of ours
        ours = Covattach(tmp_path)
        ours("start", target.pid)
        for command in ("dump", "stop"):
            done = theirs.run(command, target.pid, "--data-file", "/tmp/none", **as_nobody)  # noqa: S108
            assert done.code in (4, 8), done.err
            done.line("Remedy: ")
        ours("stop", target.pid, "--no-dump")
        target.assert_untouched(before)


def test_root_without_the_right(launch: Launch, covattach: Covattach) -> None:
    """Root in a container without SYS_PTRACE is told to add that, and not to become root."""
    assert os.geteuid() == 0, "only root can be without it"
    target = launch(interpreters()[-1], "idle.py", "sleep")
    before = target.residue()
    covattach.program = ["setpriv", "--bounding-set=-sys_ptrace", *covattach.program]
    said = covattach.fails(4, "start", target.pid)
    assert "--cap-add SYS_PTRACE" in said
    assert "sudo" not in said
    target.assert_untouched(before)


def test_another_process_has_the_number(launch: Launch) -> None:
    """Nothing is written into a process that has got the PID of one that has ended."""
    # GIVEN a process that was started earlier than the one with its PID now
    target = launch(interpreters()[-1], "idle.py", "sleep")
    process = Process(target.pid)
    process.start_time -= 1

    # WHEN its memory is to be opened, as before each read and write, THEN that is refused
    with pytest.raises(NoTarget, match="another one has its PID"), open_memory(process):
        raise AssertionError("it was opened")


def test_root_measures_a_target_of_another_user(launch: Launch, covattach: Covattach) -> None:
    """Root can measure anybody's target; the session belongs to the target's user."""
    assert os.geteuid() == 0, "only root can be two users"
    with readable_covattach() as (folder, python):
        # GIVEN a target of nobody's
        shutil.copytree(TARGETS, folder / "targets")
        target = launch(
            Interpreter("", "3.11", python, str(folder / "targets")),
            folder / "targets" / "idle.py",
            "sleep",
            user=NOBODY,
            group=NOBODY,
            cwd="/",
        )
        before = target.residue()

        # WHEN root measures it
        covattach("start", target.pid)

        # THEN the session's folder is nobody's, and nobody else can look into it
        (session,) = target.folders
        assert session.stat().st_mode & 0o777 == 0o700
        assert {path.lstat().st_uid for path in [session, *session.rglob("*")]} == {NOBODY}
        target.ask("later()")
        assert covattach("dump", target.pid, "--json").facts["lines"] > 0
        covattach("stop", target.pid, "--no-dump")
        target.assert_untouched(before)


@pytest.mark.pythons("3.9", "3.11", "3.14")
def test_payload_that_raises(
    interpreter: Interpreter,
    covattach: Covattach,
    launch: Launch,
    tmp_path: Path,
) -> None:
    """An exception of a payload is shown with its traceback in the target, and undone."""
    # GIVEN a target whose coverage raises when it is imported
    package = tmp_path / "site" / "coverage"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        "def fail():\n    raise RuntimeError('on purpose')\nfail()\n"
    )
    (package / "version.py").write_text("version_info = (7, 99, 0, 'final', 0)\n")
    target = launch(interpreter, "idle.py", "sleep", env={"PYTHONPATH": str(package.parent)})
    before = target.residue()

    # WHEN it is attached to
    done = covattach.run("start", target.pid)

    # THEN its traceback is shown, once, and none of ours
    assert done.code == 7
    assert "raise RuntimeError('on purpose')" in done.err
    assert done.err.count("Traceback (most recent call last)") == 1
    done.line("Error: ")
    done.line("Remedy: ")
    target.assert_untouched(before)


@pytest.mark.pythons("3.11", "3.14")
def test_plugin_that_raises(
    interpreter: Interpreter,
    covattach: Covattach,
    launch: Launch,
    tmp_path: Path,
) -> None:
    """A plugin that the caller has asked for and that raises is shown, and undone."""
    # GIVEN a configuration with a plugin that the target cannot import
    target = launch(interpreter, "idle.py", "sleep")
    before = target.residue()
    rcfile = tmp_path / "rcfile"
    rcfile.write_text("[run]\nplugins = no_such_plugin\n")

    # WHEN the target is measured by it, THEN that fails in the target, and is undone
    done = covattach.run("start", target.pid, "--rcfile", rcfile)
    assert done.code == 7
    assert "no_such_plugin" in done.err
    done.line("Remedy: ")
    target.assert_untouched(before)


def test_no_session(covattach: Covattach, launch: Launch) -> None:
    """A command for a target that is not measured fails with exit code 8."""
    # GIVEN a target that is not measured, WHEN asked, THEN the remedy is to start
    target = launch(interpreters()[-1], "idle.py", "sleep")
    for command in ("dump", "stop", "status"):
        assert f"covattach start {target.pid}" in covattach.fails(8, command, target.pid)
    assert not list(covattach.folder.iterdir()), "files were made"


@pytest.mark.parametrize(
    "arguments",
    [
        ("start",),
        ("start", "x"),
        ("start", "0"),
        ("start", "-1"),
        ("start", "1", "--method", "magic"),
        ("start", "1", "--timeout", "soon"),
        ("start", "1", "--rcfile", "/no/such/file"),
        ("dump", "1", "--nonsense"),
        ("provision", "--python", "2.7"),
        ("nonsense",),
    ],
    ids=" ".join,
)
def test_usage(arguments: tuple[str, ...], covattach: Covattach) -> None:
    """Senseless arguments fail with exit code 2, before any process is looked at."""
    done = covattach.run(*arguments)
    assert done.code == 2
    assert "Error: " in done.err
    assert "Traceback" not in done.err


def test_format_that_there_is_not(covattach: Covattach, launch: Launch) -> None:
    """An unknown report is exit code 2, and `stop` has then not stopped anything."""
    # GIVEN a measured target
    target = launch(interpreters()[-1], "idle.py", "sleep")
    covattach("start", target.pid)

    # WHEN it is to be stopped with an unknown report, THEN nothing happens
    covattach.fails(2, "stop", target.pid, "--format", "html,pdf")
    covattach("stop", target.pid, "--no-dump")


@pytest.mark.parametrize("how", ["data", "database", "html"])
def test_files_that_are_not_ours(how: str, covattach: Covattach, launch: Launch) -> None:
    """An existing file that is not ours is refused and stays as it was; an option is the remedy."""
    # GIVEN a measured target, and something in the way
    target = launch(interpreters()[-1], "idle.py", "sleep")
    covattach("start", target.pid)
    target.ask("later()")
    way = covattach.folder / ("htmlcov" if how == "html" else ".coverage")
    if how == "data":
        way.write_text("mine")
    elif how == "database":
        import coverage

        data = coverage.CoverageData(str(way))
        data.add_lines({"/x.py": [1]})
        data.close()
    else:
        way.mkdir()
        (way / "index.html").write_text("mine")
    inside = way / "index.html" if how == "html" else way
    content = inside.read_bytes() if inside.is_file() else b""

    # WHEN it is dumped, or stopped, THEN that is refused
    option = "--html" if how == "html" else "--data-file"
    for command in ("dump", "stop"):
        assert option in covattach.fails(2, command, target.pid)
    assert (inside.read_bytes() if inside.is_file() else b"") == content

    # AND the remedy helps
    there = covattach.folder / "other"
    covattach("dump", target.pid, option, there)
    covattach("stop", target.pid, "--no-dump")
    assert there.exists()
