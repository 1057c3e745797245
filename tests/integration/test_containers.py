"""Targets in containers: other namespaces, another root, another user, nothing to write to."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.command import Covattach
from support.interpreters import Interpreter
from support.marks import executed_lines, marked
from support.targets import Contained

IDLE = "/run/idle.py"
Contain = Callable[..., Contained]


@pytest.fixture
def contain(tmp_path: Path) -> Iterator[Contain]:
    """Start targets in containers; each is ended at the end, and must not have come to harm."""
    targets: list[Contained] = []

    def start(interpreter: Interpreter, places: str, *arguments: str, uid: int = 1000) -> Contained:
        assert os.geteuid() == 0, "only root can make containers here"
        assert interpreter.root, "an interpreter with a root of its own"
        folder = tmp_path / f"target{len(targets)}"
        folder.mkdir()
        python = f"/usr/bin/python{interpreter.minor[0]}.{interpreter.minor[1]}"
        program = [python, "/run/idle.py", *(arguments or ("sleep",))]
        targets.append(Contained(interpreter.root, places, uid, program, folder))
        return targets[-1]

    yield start
    for target in targets:
        target.close()


@pytest.mark.pythons("3.13", "3.14")
@pytest.mark.parametrize("place", ["tmp", "dev/shm", "root"])
def test_from_the_host(
    place: str, interpreter: Interpreter, contain: Contain, covattach: Covattach
) -> None:
    """A target in a container is measured from the host, and nothing is left inside.

    It has neither coverage nor gdb, and cannot write anywhere but to one place in memory.
    """
    # GIVEN a target with all namespaces of its own, another user's, and a root to be read only
    target = contain(interpreter, place)
    assert target.status("NSpid").split() == [str(target.pid), "1"]
    assert target.status("Uid").split()[0] == "101000"
    before = target.residue()

    # WHEN it is measured, and does something
    started = covattach("start", target.pid, "--json").facts
    (session,) = target.folders
    assert session == target.root / place / session.name
    assert {path.lstat().st_uid for path in [session, *session.rglob("*")]} == {101000}
    assert started["socket"] == str(session / "agent.sock")
    target.ask("later()")
    dumped = covattach("dump", target.pid, "--json").facts

    # THEN that is in the dump, by the names that files have inside
    found = executed_lines(covattach.folder / ".coverage")
    assert found[IDLE] >= marked("idle.py", "# later")
    assert dumped["lines_at_import"] > 0

    # AND the report shows sources that there are inside only, by relative names
    page = (covattach.folder / "htmlcov" / "idle_py.html").read_text()
    assert "Execute a line that had not been executed before" in page

    # AND it is told of, and ends clean
    rows = covattach("status", "--json").facts
    assert target.pid in [row["pid"] for row in rows if row["alive"]]
    covattach("stop", target.pid, "--no-html")
    target.assert_untouched(before)


@pytest.mark.pythons("3.13", "3.14")
def test_no_place_to_write_to(
    interpreter: Interpreter, contain: Contain, covattach: Covattach
) -> None:
    """Where the target can write nowhere at all, that is said, and it is left as it was."""
    # GIVEN a target in a container without any place to write to
    target = contain(interpreter, "")
    before = target.residue()

    # WHEN it is attached to, THEN that is refused, with a remedy
    said = covattach.fails(4, "start", target.pid)
    assert "/dev/shm" in said  # noqa: S108
    assert "tmpfs" in said
    target.assert_untouched(before)


@pytest.mark.pythons("3.13")
def test_a_link_inside_leads_to_no_file_of_ours(
    interpreter: Interpreter, contain: Contain, covattach: Covattach, tmp_path: Path
) -> None:
    """Executed files are looked for inside the container, by its own links too."""
    # GIVEN a target in a container whose root is the same user as ours
    secret = tmp_path / "secret.py"
    secret.write_text("password = 'open sesame'\n")
    target = contain(interpreter, "tmp", uid=0)
    covattach("start", target.pid)

    # WHEN it executes files of names that mean something else to us
    target.ask(f"__import__('os').symlink({str(secret)!r}, '/tmp/link.py')")
    target.ask("exec(compile('lines.append(1)', '/tmp/link.py', 'exec'), globals())")
    target.ask(f"exec(compile('lines.append(1)', {str(secret)!r}, 'exec'), globals())")
    done = covattach("dump", target.pid, "--data-file", tmp_path / "data", "--json")

    # THEN the report has nothing of ours
    files: Any = executed_lines(tmp_path / "data")
    assert str(secret) in files or "/tmp/link.py" in files  # noqa: S108
    pages = [path.read_text() for path in (covattach.folder / "htmlcov").glob("*.html")]
    assert pages
    assert not any("sesame" in page for page in pages)
    assert "cannot be read" in done.err
    covattach("stop", target.pid, "--no-dump")


@pytest.mark.pythons("3.13")
def test_the_first_place_is_full(
    interpreter: Interpreter, contain: Contain, covattach: Covattach
) -> None:
    """A session that does not fit into one place goes to the next, and leaves the first clean."""
    # GIVEN a target in a container whose /tmp has no room left
    target = contain(interpreter, "tmp,dev/shm")
    with contextlib.suppress(OSError):
        (target.root / "tmp" / "filler").write_bytes(bytes(1 << 26))

    # WHEN it is measured, THEN its session is in the next place, and nothing else is left
    covattach("start", target.pid)
    (session,) = target.folders
    assert session.parent.name == "shm"
    covattach("stop", target.pid, "--no-dump")


@pytest.mark.pythons("3.9")
@pytest.mark.parametrize("place", ["tmp", "dev/shm"])
def test_the_c_tracer_is_brought_along(
    place: str, interpreter: Interpreter, contain: Contain, covattach: Covattach
) -> None:
    """The C tracer is brought along even where only a noexec folder can be written to."""
    # GIVEN a target that only the C tracer can measure, which it has not
    cache = covattach.folder / "cache"
    provided = cache / "covattach" / "coverage" / "3.9"
    provided.mkdir(parents=True)
    (provided / "coverage").symlink_to(Path(interpreter.site) / "coverage")
    target = contain(interpreter, place)
    before = target.residue()

    # WHEN it is measured
    started = covattach("start", target.pid, "--json", env={"XDG_CACHE_HOME": str(cache)}).facts
    assert started["core"] == "ctrace"
    target.ask("later()")
    covattach("dump", target.pid, "--no-html")

    # THEN the lines it executes are in the data, and nothing is left
    assert executed_lines(covattach.folder / ".coverage")[IDLE] >= marked("idle.py", "# later")
    covattach("stop", target.pid, "--no-dump")
    target.assert_untouched(before)
