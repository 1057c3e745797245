"""Sources under several roots: one name for each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from covattach.errors import BadUsage
from covattach.reports import path_aliases
from covattach.snapshot.imported_modules import ImportedModule, ImportedModules
from covattach.snapshot.snapshot import Snapshot


def snapshot(name: str, *lines: int) -> Snapshot:
    """Return a snapshot of one file, in a window too, with one module made from it before."""
    load = ImportedModule(main=False, reached=None, is_running=False, python=(3, 11))
    return Snapshot(
        kind="lines",
        files={name: set(lines)},
        file_tracers={name: "plugin"},
        taken=1.0,
        windows={"window": {name: set(lines)}},
        loads=ImportedModules(1.0, {name: frozenset({load})}),
    )


def mapped(
    snapshots: list[Snapshot], settings: dict[str, Any], cwd: Path
) -> tuple[list[Snapshot], dict[str, Any]]:
    """Return the snapshots with the names that the settings say, and the settings left."""
    names, left = path_aliases.naming(settings, cwd)
    return [path_aliases.with_names(one, names) for one in snapshots], left


def test_all_of_a_snapshot_has_the_name(tmp_path: Path) -> None:
    """A file of a container's is the one that is here, wherever a snapshot names it."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src/unit.py").touch()
    here = str(tmp_path / "src/unit.py")
    settings = {"paths": {"source": ["src", "/app/*/src"]}, "run:branch": False}

    (found,), left = mapped([snapshot("/app/one/src/unit.py", 1, 2)], settings, tmp_path)

    assert left == {"run:branch": False}
    assert found.files == {here: {1, 2}}
    assert found.windows == {"window": {here: {1, 2}}}
    assert found.file_tracers == {here: "plugin"}
    assert set(found.loads.files) == {here}


def test_what_is_not_here_keeps_its_name(tmp_path: Path) -> None:
    """As with coverage, a file that does not exist under the first root is left as it is."""
    settings = {"paths": {"source": ["src", "/app"]}}
    (found,), _ = mapped([snapshot("/app/unit.py", 1)], settings, tmp_path)
    assert set(found.files) == {"/app/unit.py"}


def test_two_that_become_one(tmp_path: Path) -> None:
    """Two sources that become one file have the lines of both."""
    (tmp_path / "unit.py").touch()
    here = str(tmp_path / "unit.py")
    both = snapshot("/one/unit.py", 1)
    both.files["/two/unit.py"] = {2}  # type: ignore[assignment]
    settings = {"paths": {"source": [str(tmp_path), "/one", "/two"]}}
    (found,), _ = mapped([both], settings, tmp_path)
    assert found.files == {here: {1, 2}}


def test_pattern_that_is_none(tmp_path: Path) -> None:
    """A bad pattern is refused in coverage's words."""
    with pytest.raises(BadUsage, match="must not end with wildcards"):
        mapped([snapshot("/a", 1)], {"paths": {"source": ["src", "/app/*"]}}, tmp_path)
