"""`covattach ps`, and commands that choose processes by `--name`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import Any

import pytest
from support.command import Covattach
from support.interpreters import newest
from support.targets import Launch
from support.waiting import wait_for


def row(covattach: Covattach, pid: int) -> Any:
    """Return the row of a process in `ps`; None if it is not listed."""
    found = [one for one in covattach("ps", "--json").facts if one["pid"] == pid]
    return found[0] if found else None


def test_what_is_listed(covattach: Covattach, launch: Launch) -> None:
    """`ps` lists Pythons of each version, with their states, and nothing else."""
    # GIVEN targets of all versions, and something that is no Python
    targets = {
        minor: launch(newest(minor), "idle.py", "event") for minor in ("3.9", "3.11", "3.14")
    }
    with subprocess.Popen(["sleep", "1000"]) as other:
        try:
            assert row(covattach, other.pid) is None
        finally:
            other.kill()
    traces = {minor: target.residue() for minor, target in targets.items()}

    # WHEN one is measured and one is stopped
    covattach("start", targets["3.14"].pid)
    targets["3.11"].popen.send_signal(signal.SIGSTOP)
    wait_for(lambda: targets["3.11"].status("State")[0] == "T", "it to stop")

    # THEN their rows tell it
    rows = {minor: row(covattach, target.pid) for minor, target in targets.items()}
    assert {minor: one["python"] for minor, one in rows.items()} == {one: one for one in targets}
    assert (rows["3.9"]["can_attach"], rows["3.9"]["is_measured"]) == (True, False)
    assert (rows["3.14"]["can_attach"], rows["3.14"]["is_measured"]) == (True, True)
    assert rows["3.11"]["can_attach"] is False
    assert "is suspended" in rows["3.11"]["why_not"]
    assert "kill -CONT" in rows["3.11"]["remedy"]
    assert "idle.py event" in rows["3.9"]["command"]
    table = covattach("ps").err
    shown = {line.split()[0]: " ".join(line.split()) for line in table.splitlines()}
    assert " can be attached " in shown[str(targets["3.9"].pid)]
    assert " measured by covattach " in shown[str(targets["3.14"].pid)]
    assert " cannot: see below " in shown[str(targets["3.11"].pid)]
    assert f"Process {targets['3.11'].pid} is suspended, by Ctrl-Z or SIGSTOP." in table
    assert table.endswith("Next: covattach start PID\n")

    # AND nobody has been touched
    targets["3.11"].popen.send_signal(signal.SIGCONT)
    for minor in ("3.9", "3.11"):
        targets[minor].assert_untouched(traces[minor])
    covattach("stop", targets["3.14"].pid, "--no-dump")


def test_without_rights(launch: Launch) -> None:
    """Who may not look is told who may; a name is all that is known of the process."""
    target = launch(newest("3.11"), "idle.py", "event")
    if os.geteuid():
        pytest.fail("needs root, to be somebody else")
    code = (
        "import os, sys; from covattach.diagnose.python_processes import look;"
        "os.setgid(65534); os.setuid(65534); print(look(int(sys.argv[1])))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(target.pid)], capture_output=True, text=True, check=True
    )
    assert "python=None" in done.stdout
    assert "user='root'" in done.stdout
    assert "You may not attach to process" in done.stdout


def test_hundreds_are_looked_at_in_no_time(launch: Launch) -> None:
    """The interpreter's file is read once for all processes that run it."""
    target = launch(newest("3.11"), "idle.py", "event")
    code = (
        "import sys; from covattach.diagnose import python_processes as processes;"
        "from covattach.process import elf;"
        "found = [processes.look(int(sys.argv[1])) for _ in range(300)];"
        "assert all(found); print(len(elf.KNOWN))"
    )
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code, str(target.pid)], capture_output=True, text=True, check=True
    )
    print(f"300 looks: {time.monotonic() - began:.2f} s")
    assert int(done.stdout) <= 2


def test_names_do_not_match_who_asks(covattach: Covattach, launch: Launch) -> None:
    """`--name` matches neither a covattach nor the process that started it."""
    # GIVEN a target, and a Python that starts covattach, with its name in the command line
    name = f"theirs-{os.getpid()}"
    target = launch(newest("3.11"), "idle.py", "event", name)
    code = (
        "import subprocess, sys;"
        "sys.exit(subprocess.run([sys.executable, '-m', 'covattach', *sys.argv[1:]]).returncode)"
    )

    # WHEN it measures all processes of that name
    done = subprocess.run(
        [sys.executable, "-c", code, "start", "--name", name, "--json"],
        cwd=covattach.folder,
        capture_output=True,
        text=True,
        check=True,
    )

    # THEN the target alone is measured
    print(done.stderr)
    assert f"Measuring process {target.pid} " in done.stderr
    assert done.stderr.count("Measuring process") == 1
    covattach("stop", "--name", name, "--no-dump")
