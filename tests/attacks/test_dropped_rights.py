"""A process that had more rights than it has now: its claims count for its present rights only.

Nor does any file or setting that it could have changed lead root to open, load or write anything.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.command import Covattach
from support.interpreters import Interpreter, newest
from support.targets import TARGETS, Launch, Target
from support.users import OTHER, PYTHON, SECRET, THIRD, Users, several_users, shown
from support.waiting import wait_for

from covattach.commands import pager
from covattach.process import credentials
from covattach.process.owner import Owner
from covattach.process.process import Process
from covattach.session import trusted_record
from covattach.session.folder import SessionFolder

RECORDS = Path("/run/covattach")


@pytest.fixture
def users() -> Iterator[Users]:
    """Give other users."""
    with several_users() as found:
        yield found


def said(users: Users) -> tuple[dict[str, list[int]], dict[str, Any]]:
    """Return the claims of a taken-over process: the files that ran, and facts to be obeyed."""
    secret = users.private(0, "settings.py")
    (users.folder / "link.py").symlink_to(secret)
    names = (secret, users.folder / "link.py", secret.with_suffix(".pyc"), "/proc/self/environ")
    settings = {
        "html:extra_css": str(secret),
        "run:plugins": ["settings"],
        "run:source": [str(secret.parent)],
        "xml:output": str(secret.parent / "written.xml"),
        "html:directory": str(secret.parent / "written"),
    }
    more = {
        "settings": settings,
        "cwd": str(secret.parent),
        "data_file": str(secret.parent / "written.data"),
        "said_by": [[0, 0]],
        "sender": 1,
        "start_time": 1,
        "key": "0",
    }
    own = users.private(OTHER, "own.py")
    return {str(name): [1] for name in (*names, own)}, more


def assert_nothing_of_roots(users: Users, covattach: Covattach) -> None:
    """Fail if there is anything of root's in the reports, or anything new in root's folder."""
    assert f"{SECRET} of 0" not in shown(covattach.folder)
    assert not list(users.folder.rglob("written*"))


@pytest.mark.parametrize("how", ["for good", "for a while", "and became root's program"])
def test_a_server_that_was_taken_over(
    how: str, launch: Launch, users: Users, covattach: Covattach
) -> None:
    """A server that began as root, and was taken over since, is not believed as root."""
    # GIVEN a measured server of root's
    target = launch(newest("3.14"), "dropping.py")
    covattach("start", target.pid)
    (folder,) = target.folders
    files, more = said(users)

    # WHEN it becomes another user, and an attacker answers in its place
    target.ask(f"drop({OTHER}, {0 if how == 'for a while' else None})")
    if how == "and became root's program":
        program = users.folder / "setpriv"  # as sudo is: whoever starts it makes it root
        shutil.copy("/usr/bin/setpriv", program)
        program.chmod(0o4755)
        words = [str(program), "--reuid", "0", "--regid", "0", "--clear-groups", "sleep", "1000"]
        target.tell(f"hand_over({files}, {more}, {words})")
        wait_for(lambda: target.status("Uid").split() == ["0"] * 4, "root's program")
    else:
        assert target.ask(f"take_over({files}, {more})") is True

    # THEN root is shown files that its user may read, and no others
    covattach("dump", target.pid, "--format", "html,xml,json,lcov,text")
    assert_nothing_of_roots(users, covattach)
    assert f"{SECRET} of {OTHER}" in shown(covattach.folder)
    covattach.run("stop", target.pid, "--no-html", "--data-file", covattach.folder / "last")
    assert not folder.exists()


def test_a_root_with_fewer_rights(launch: Launch, users: Users, covattach: Covattach) -> None:
    """Root's process without CAP_DAC_OVERRIDE names a file of somebody else's: it is not shown."""
    others, own = users.private(THIRD, "theirs.py"), users.private(0, "own.py")
    words = ("--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-all")
    target = Target(
        ["/usr/bin/setpriv", *words, PYTHON, TARGETS / "idle.py", "sleep"],
        users.folder,
        env={"PYTHONPATH": f"{newest('3.11').site}:{TARGETS}"},
    )
    try:
        target.line("ready")
        covattach("start", target.pid)
        for name in (others, own):
            target.ask(f"exec(compile('lines.append(1)', {str(name)!r}, 'exec'), globals())")
        covattach("dump", target.pid)
        assert f"{SECRET} of {THIRD}" not in shown(covattach.folder)
        assert f"{SECRET} of 0" in shown(covattach.folder)
        covattach("stop", target.pid, "--no-dump")
    finally:
        target.close()


def test_a_root_of_another_user_namespace() -> None:
    """A root of another user namespace, though root outside too, may read root's own files only."""
    with subprocess.Popen(
        ["/usr/bin/unshare", "--user", "--map-root-user", "/bin/sh", "-c", "echo ready; read line"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as popen:
        assert popen.stdout is not None
        assert popen.stdout.readline() == b"ready\n"
        (owner,) = credentials.of_process(Process(popen.pid))
        popen.communicate(b"\n")
    assert (owner.uid, owner.is_bare) == (0, True)


@pytest.fixture
def theirs(launch: Launch, users: Users) -> Target:
    """Start a process of another user's."""
    for name in ("idle.py", "answering.py"):
        shutil.copy(TARGETS / name, users.folder / name)
    python = Interpreter("", "3.11", PYTHON, str(users.folder))
    how: dict[str, Any] = {"user": OTHER, "group": OTHER, "extra_groups": []}
    return launch(python, users.folder / "idle.py", "sleep", cwd=users.folder, **how)


def test_what_root_has_asked_for(theirs: Target, users: Users, covattach: Covattach) -> None:
    """Root's own settings count at a later dump; the user's changes to them do not."""
    # GIVEN root, who measures with a configuration of root's own
    style = users.private(0, "colours.css")
    rcfile = covattach.folder / "rc"
    rcfile.write_text(f"[html]\nextra_css = {style}\ntitle = As root wants it\n")
    before = set(RECORDS.glob("*"))
    covattach("start", theirs.pid, "--rcfile", rcfile)
    theirs.ask("later()")
    (folder,) = theirs.folders
    (kept,) = set(RECORDS.glob("*")) - before

    # WHEN the user changes all facts in the session folder
    more = said(users)[1]
    facts = json.loads((folder / "session.json").read_text())
    facts["settings"] = {**more["settings"], "html:title": "As somebody wants it"}
    facts["cwd"] = more["cwd"]
    (folder / "session.json").write_text(json.dumps(facts))

    # THEN the report follows root's configuration
    covattach("dump", theirs.pid, "--format", "html,xml")
    (copied,) = (covattach.folder / "htmlcov").glob("colours*")
    assert copied.read_text() == style.read_text()
    copied.unlink()
    page = (covattach.folder / "htmlcov" / "index.html").read_text()
    assert "As root wants it" in page
    assert "settings.py" not in shown(covattach.folder)

    # AND without root's record only harmless settings count, with a warning
    kept.unlink()
    done = covattach("dump", theirs.pid, "--html", "again")
    assert done.line(f"Warning: Not followed, as user {OTHER} could have changed it: ").endswith(
        "html:directory, html:extra_css, run:plugins, xml:output."
    )
    assert not list((covattach.folder / "again").glob("colours*"))
    assert_nothing_of_roots(users, covattach)
    covattach("stop", theirs.pid, "--no-dump")


@pytest.mark.parametrize(
    "trick", ["another folder", "a folder of its name", "a place of somebody else's"]
)
def test_records_are_roots_own(
    trick: str, users: Users, covattach: Covattach, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record of root's counts for one folder, and only from where nobody but root can write."""
    liar = users.lying(OTHER)
    folder = SessionFolder(liar.path, str(liar.path), Owner(OTHER, OTHER))
    place = tmp_path / "records"
    monkeypatch.setattr(trusted_record, "candidates", lambda: iter([place]))
    tmp_path.chmod(0o755)
    for one in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        assert one.stat().st_uid == 0
    monkeypatch.setattr(trusted_record, "is_safe", lambda path: path.stat().st_uid == os.geteuid())
    trusted_record.note(folder, {"pid": 7, "settings": {"html:title": "kept"}, "cwd": "/"})
    assert trusted_record.of(folder)["settings"] == {"html:title": "kept"}
    if trick == "another folder":
        liar.path.rename(liar.path.with_name(liar.path.name + "-aside"))
        liar.path.mkdir()
        os.chown(liar.path, OTHER, OTHER)
    elif trick == "a folder of its name":
        path = tmp_path / liar.path.name
        path.mkdir()
        trusted_record.remove(SessionFolder(path, str(path), Owner(OTHER, OTHER)))
        assert trusted_record.of(folder)["settings"] == {"html:title": "kept"}
        return
    else:
        os.chown(place, OTHER, OTHER)
    assert trusted_record.of(folder) == {}


def test_the_pager_is_roots_own(
    users: Users, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root's pager follows no file in the HOME of another user, which sudo may have left."""
    home, told = users.folder, tmp_path / "told"
    os.chown(home, OTHER, OTHER)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PAGER", f"sh -c 'echo $HOME >{told}'")
    assert pager.page("text\n")
    assert told.read_text() == f"{pwd.getpwuid(os.geteuid()).pw_dir}\n"


THEIRS = ("LESSKEYIN", "LESSKEY", "LESSKEY_CONTENT", "LESSOPEN", "LESSCLOSE", "LESSEDIT", "MORE")
THEIRS += (
    "LESSKEYIN_SYSTEM",
    "LESSHISTFILE",
    "EDITOR",
    "VISUAL",
    "SHELL",
    "MANPAGER",
    "LD_PRELOAD",
)
THEIRS += (
    "XDG_CONFIG_HOME",
    "MOST_INITFILE",
    "LESSSECURE",
    "ENV",
    "BASH_ENV",
    "PYTHONPATH",
    "LESS",
)


def test_the_pager_is_told_of_no_file_of_theirs(
    users: Users, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No variable that names a file or a command has root's pager obey it."""
    theirs, told = str(users.folder / "theirs"), tmp_path / "told"
    for name in THEIRS:
        monkeypatch.setenv(name, f"-k{theirs}")
    monkeypatch.setenv("PATH", f"{users.folder}:.::{os.environ['PATH']}")
    monkeypatch.setenv("TERM", "dumb")
    os.chown(users.folder, OTHER, OTHER)
    monkeypatch.setenv("PAGER", f"sh -c 'env >{told}'")

    assert pager.page("text\n")

    said = dict(line.split("=", 1) for line in told.read_text().splitlines())
    assert said["TERM"] == "dumb"
    assert said["LESS"] == "FRX"
    assert str(users.folder) not in told.read_text()
    assert "" not in said["PATH"].split(":")


@pytest.mark.parametrize("where", ["its path", "PATH"])
def test_no_pager_of_theirs_is_executed(
    where: str, users: Users, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root's pager is no program that another user could have put there."""
    told, program = tmp_path / "told", users.folder / "less"
    program.write_text(f"#!/bin/sh\ncat >{told}\n")
    program.chmod(0o755)
    os.chown(users.folder, OTHER, OTHER)
    monkeypatch.setenv("PATH", f"{users.folder}:{os.environ['PATH']}")
    monkeypatch.setenv("PAGER", str(program) if where == "its path" else "less >/dev/null")

    pager.page("text\n")

    assert not told.exists()


@pytest.mark.pythons("3.11")
def test_gdb_is_roots_own(
    interpreter: Interpreter, launch: Launch, covattach: Covattach, tmp_path: Path
) -> None:
    """The Python in root's gdb executes no file in the HOME of another user."""
    told = tmp_path / "told"
    python = subprocess.run(
        ["gdb", "-nx", "-nh", "-batch", "-ex", "python print('%d.%d' % sys.version_info[:2])"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    site = tmp_path / "home" / ".local" / "lib" / f"python{python}" / "site-packages"
    site.mkdir(parents=True)
    (site / "theirs.pth").write_text(f"import os; open({str(told)!r}, 'w').write('executed')\n")
    os.chown(tmp_path / "home", OTHER, OTHER)
    environment = {**os.environ, "HOME": str(tmp_path / "home")}
    subprocess.run(["gdb", "-nx", "-nh", "-batch"], env=environment, check=True)
    assert told.exists(), "gdb's Python would execute it"
    told.unlink()
    target = launch(interpreter, "idle.py", "event")
    covattach.end(covattach.begin("start", target.pid, env=environment))
    covattach("stop", target.pid, "--no-dump")
    assert not told.exists()
