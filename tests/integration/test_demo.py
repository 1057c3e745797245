"""`covattach demo`: it works from nothing, and leaves its report and nothing else."""

from __future__ import annotations

import contextlib
from pathlib import Path

from support.command import Covattach
from support.waiting import wait_for

MARK = "COVATTACH_TESTS"
FOLDER = "covattach-demo"


def processes(mark: str) -> list[int]:
    """Return the processes, zombies aside, that were started with `mark` in their environment."""
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if f"{MARK}={mark}\0".encode() in environment.read_bytes():
                found.append(int(environment.parent.name))
    return found


def test_demo_leaves_its_report_only(covattach: Covattach, tmp_path: Path) -> None:
    """The demo leaves no process and no file but the HTML report, with its missing lines."""
    # GIVEN a folder for temporary files of its own
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    mark = str(tmp_path)

    # WHEN the demo runs
    done = covattach("demo", env={"TMPDIR": str(temporary), MARK: mark})

    # THEN it names the report's path, and nothing else is left
    assert str(covattach.folder / "covattach-demo" / "index.html") in done.err + done.out
    assert [path.name for path in covattach.folder.iterdir()] == ["covattach-demo"]
    assert list(temporary.iterdir()) == []
    wait_for(lambda: not processes(mark), "all processes of the demo to be gone", 5)

    # AND the report shows executed lines, and the dead code
    (page,) = (covattach.folder / FOLDER).glob("*shop_py.html")
    text = page.read_text()
    assert 'class="run' in text
    assert 'class="mis' in text

    # WHEN it runs again, THEN the report is replaced
    covattach("demo", env={"TMPDIR": str(temporary), MARK: mark})
    assert [path.name for path in covattach.folder.iterdir()] == ["covattach-demo"]
