"""Root reports on another user's process: no claim of that user leads to a file of root's.

Only root can be several users: these tests need it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.command import Covattach
from support.interpreters import Interpreter, interpreters
from support.targets import TARGETS, Launch, Target, open_to_all

NOBODY = 65534
SYSTEM = [one for one in interpreters() if one.python.startswith("/usr/bin/")]


@pytest.fixture
def home() -> Iterator[Path]:
    """Make a folder of nobody's, the user, that the targets lie in."""
    assert os.geteuid() == 0, "only root can be several users"
    with open_to_all() as folder:
        for name in ("idle.py", "answering.py"):
            shutil.copy(TARGETS / name, folder / name)
        os.chown(folder, NOBODY, NOBODY)
        yield folder


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """Write a Python file that only root can read."""
    path = tmp_path / "secret.py"
    path.write_text("password = 'open sesame'\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def nobodys(launch: Launch, home: Path) -> Launch:
    """Start a target of nobody's, the user, in their folder."""

    def start(**environment: str) -> Target:
        assert SYSTEM, "a Python that everybody can run"
        python = Interpreter("", SYSTEM[-1].version, SYSTEM[-1].python, str(home))
        how: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        return launch(python, home / "idle.py", "sleep", cwd=home, env=environment, **how)

    return start


def shown(folder: Path) -> str:
    """Return all that root was shown, and all that was written."""
    return "".join(path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file())


def execute(target: Target, name: Path) -> None:
    """Have the target say that it has executed a file."""
    target.ask(f"exec(compile('lines.append(1)', {str(name)!r}, 'exec'), globals())")


def test_sources_that_only_root_can_read(
    nobodys: Launch, home: Path, secret: Path, covattach: Covattach
) -> None:
    """Files that only root can read are not in the report, under any name a target gives them."""
    # GIVEN a measured target that claims to have run a file of root's, and a link to it
    target = nobodys()
    before = target.residue()
    (home / "link.py").symlink_to(secret)
    covattach("start", target.pid)
    target.ask("later()")
    for name in (secret, home / "link.py", Path("/proc/self/environ"), Path("/proc/self/mem")):
        execute(target, name)

    # WHEN root makes all kinds of reports
    done = covattach("dump", target.pid, "--format", "html,xml,json,lcov,text,markdown")

    # THEN those files are left out, and the user's own are there
    assert "sesame" not in shown(covattach.folder) + done.err
    assert os.environ["PATH"] not in shown(covattach.folder)
    assert "cannot be read" in done.line("Warning: Not in the report, because they cannot")
    page = (covattach.folder / "htmlcov" / "idle_py.html").read_text()
    assert "Execute a line that had not been executed before" in page
    covattach("stop", target.pid, "--no-dump")
    target.assert_untouched(before)


def test_folders_that_only_root_can_list(
    nobodys: Launch, home: Path, secret: Path, covattach: Covattach
) -> None:
    """A folder of root's, named by the target's configuration, has none of its files listed."""
    # GIVEN a target whose configuration has a folder of root's as a source
    secret.parent.chmod(0o700)
    (home / ".coveragerc").write_text(f"[run]\nsource = {secret.parent}\n  .\n")
    target = nobodys()
    covattach("start", target.pid)
    target.ask("later()")

    # WHEN it is dumped, THEN the user's own files that have not run are listed, and no other
    done = covattach("dump", target.pid, "--format", "json")
    files = json.loads((covattach.folder / "coverage.json").read_text())["files"]
    assert {"idle.py", "answering.py"} == set(files)
    assert secret.name not in done.err
    covattach("stop", target.pid, "--no-dump")


@pytest.mark.parametrize("how", ["link", "variable"])
def test_configuration_that_only_root_can_read(
    how: str, nobodys: Launch, home: Path, secret: Path, covattach: Covattach
) -> None:
    """A configuration that is a link to a file of root's, or names one, is none."""
    # GIVEN such a target
    secret.write_text("[run]\nsource = sesame\n")
    if how == "link":
        (home / ".coveragerc").symlink_to(secret)
    target = nobodys(**({"COVERAGE_RCFILE": str(secret)} if how == "variable" else {}))

    # WHEN root measures it, THEN that is not read
    done = covattach.run("start", target.pid)
    assert done.code == (0 if how == "link" else 2), done.err
    for folder in target.folders:
        assert "sesame" not in (folder / "session.json").read_text()
    if how == "link":
        covattach("stop", target.pid, "--no-dump")


def test_the_environment_of_root_is_not_told(
    nobodys: Launch, home: Path, covattach: Covattach
) -> None:
    """Variables in the target's configuration are those of the target."""
    # GIVEN a configuration that asks for variables
    (home / ".coveragerc").write_text("[run]\nsource = ${PASSWORD}, ${PYTHONPATH}\n")
    target = nobodys()

    # WHEN root, who has one of them, measures the target
    covattach("start", target.pid, env={"PASSWORD": "sesame"})

    # THEN it is not there
    (folder,) = target.folders
    settings = json.loads((folder / "session.json").read_text())["settings"]
    assert "sesame" not in str(settings)
    assert str(home) in str(settings)
    covattach("stop", target.pid, "--no-dump")


def test_what_the_session_says_is_not_obeyed(
    nobodys: Launch, home: Path, tmp_path: Path, covattach: Covattach
) -> None:
    """Of settings in the session's folder none that names code or outputs is followed."""
    # GIVEN a session whose settings its user has changed
    target = nobodys()
    covattach("start", target.pid)
    target.ask("later()")
    (folder,) = target.folders
    facts = json.loads((folder / "session.json").read_text())
    facts["settings"] = {
        "xml:output": str(tmp_path / "elsewhere.xml"),
        "html:extra_css": str(home / "idle.py"),
        "run:plugins": ["idle"],
        "html:title": "\x1b[31mred",
    }
    facts["warnings"] = ["\x1b[2Jgone\n\x07", 7]
    facts["cwd"] = "/\0"
    (folder / "session.json").write_text(json.dumps(facts))

    # WHEN root dumps it, THEN the report is where root is
    done = covattach("dump", target.pid, "--format", "html,xml")
    assert not (tmp_path / "elsewhere.xml").exists()
    assert (covattach.folder / "coverage.xml").exists()

    # AND the terminal is told nothing but words
    assert not set(done.err) & {"\x1b", "\x07"}
    covattach("stop", target.pid, "--no-dump")


def test_reports_are_not_made_inside(nobodys: Launch, covattach: Covattach, tmp_path: Path) -> None:
    """`--in-target` is refused: root would write into a folder that somebody else has made."""
    target = nobodys()
    covattach("start", target.pid)
    target.ask("later()")
    said = covattach.fails(2, "dump", target.pid, "--in-target", "--html", tmp_path / "html")
    assert "--html-in-target" in said
    covattach("stop", target.pid, "--no-dump")
