"""Processes of other users, which tell covattach lies; needs root."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from support.targets import TARGETS, open_to_all

OTHER, THIRD = 54321, 54322  # user IDs that nobody has
PYTHON = "/usr/bin/python3"  # which everybody can run
TMP = Path("/tmp")  # noqa: S108  where sessions are
SECRET = "open sesame"  # noqa: S105  no password of anything


class Liar:
    """A process of the user `uid` that tells covattach the lies `told` (tests/targets/lying.py)."""

    def __init__(
        self, program: Path, uid: int, told: dict[str, Any], groups: Sequence[int] = ()
    ) -> None:
        self.told = {"name": f"covattach-{secrets.token_hex(6)}", **told}
        self.path = TMP / str(self.told["name"])
        self.popen = subprocess.Popen(
            [PYTHON, program, json.dumps(self.told)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=program.parent,
            user=uid,
            group=uid,
            extra_groups=groups,
        )
        assert self.popen.stdout is not None
        assert self.popen.stdout.readline() == b"ready\n"

    @property
    def pid(self) -> int:
        """The process's PID."""
        return self.popen.pid

    def end(self) -> str:
        """Kill the process; return the requests that it got, as text."""
        self.popen.kill()
        return self.popen.communicate()[0].decode()

    def clean(self) -> None:
        """Remove the session folders that it has made."""
        for path in TMP.glob(f"{self.path.name}*"):
            shutil.rmtree(path, ignore_errors=True)


class Users:
    """Several users, with a folder that all of them can look into."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.program = folder / "lying.py"
        shutil.copy(TARGETS / "lying.py", self.program)
        self.liars: list[Liar] = []

    def lying(self, uid: int, *groups: int, **told: Any) -> Liar:
        """Start a process of the user `uid`, in `groups` too, that tells the lies `told`."""
        self.liars.append(Liar(self.program, uid, told, groups))
        return self.liars[-1]

    def private(self, uid: int, name: str) -> Path:
        """Write a source that only the user `uid` and root can read; return its path."""
        folder = self.folder / f"of-{uid}"
        folder.mkdir(mode=0o700, exist_ok=True)
        path = folder / name
        path.write_text(f"word = '{SECRET} of {uid}'\n")
        path.chmod(0o600)
        for one in (folder, path):
            os.chown(one, uid, uid)
        return path

    def public(self, name: str) -> Path:
        """Write a source of eight lines that all users can read; return its path."""
        path = self.folder / name
        path.write_text("".join(f"x{number} = {number}\n" for number in range(8)))
        return path


@contextlib.contextmanager
def several_users() -> Iterator[Users]:
    """Yield a Users; at the end its processes are killed, and their session folders removed."""
    assert os.geteuid() == 0, "only root can be several users"
    with open_to_all() as folder:
        users = Users(folder)
        try:
            yield users
        finally:
            for one in users.liars:
                one.end()
                one.clean()


def shown(folder: Path) -> str:
    """Return the contents of all files below a folder, as one text."""
    return "".join(path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file())


def lines_of(report: Path, name: str) -> set[int]:
    """Return the executed lines of the file `name` in a JSON report."""
    files = json.loads(report.read_text())["files"]
    return {
        n for one, facts in files.items() if Path(one).name == name for n in facts["executed_lines"]
    }
