"""A snapshot that one thread makes while another begins a window: nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import coverage
import pytest
from covattach.payloads.snapshot.snapshot import Snapshots

from covattach.snapshot.snapshot import Snapshot, decode


@pytest.fixture
def snapshots() -> Snapshots:
    """Return the snapshots of a collector of coverage's that holds three lines of a file."""
    cov: Any = coverage.Coverage(data_file=None, config_file=False)
    cov._init_for_start()
    cov._collector.data["/a.py"] = {1, 2, 3}
    return Snapshots(cov._collector)


def read(snapshots: Snapshots) -> Snapshot:
    """Return a snapshot of now, as it is read."""
    header, blob = snapshots.encode()
    return decode({**header, "taken": 1.0}, b"".join(blob))


def meanwhile(snapshots: Snapshots, where: Any, name: str, act: Callable[[], None]) -> None:
    """Do something once, right before a method of `where` is called."""
    usual = getattr(where, name)

    def first(*arguments: Any) -> Any:
        setattr(where, name, usual)
        act()
        return usual(*arguments)

    setattr(where, name, first)


@pytest.mark.parametrize("marks", [0, 1])
def test_a_save_in_the_middle_of_a_mark(snapshots: Snapshots, marks: int) -> None:
    """Lines that a mark has taken out of the sets, but not named yet, are saved all the same."""
    # GIVEN a window that may be the first
    for _ in range(marks):
        snapshots.begin_window("before")
        snapshots.collector.data["/a.py"].update({4, 5})
    expected = {1, 2, 3, 4, 5} if marks else {1, 2, 3}

    # WHEN another is begun, and a snapshot made when the sets are empty
    found: list[Snapshot] = []
    meanwhile(snapshots, snapshots.windows, "begin", lambda: found.append(read(snapshots)))
    snapshots.begin_window("after")

    # THEN it has all
    assert found[0].files["/a.py"] == expected
    assert read(snapshots).files["/a.py"] == expected


def test_a_mark_in_the_middle_of_a_save(snapshots: Snapshots) -> None:
    """A window that ends after the sets were looked at is not taken for the next one."""
    # GIVEN a window, and a save that another thread interrupts by a file and a mark
    snapshots.begin_window("first")
    snapshots.collector.data["/a.py"].add(4)

    def go_on() -> None:
        snapshots.collector.data["/new.py"] = {5}
        snapshots.begin_window("second")

    meanwhile(snapshots, snapshots, "map_canonical", go_on)

    # WHEN it is read, THEN it has the lines of the moment it was begun, by windows
    found = read(snapshots)
    assert found.files == {"/a.py": {1, 2, 3, 4}}
    assert {name: files for name, files in found.windows.items() if files.get("/a.py")} == {
        "": {"/a.py": {1, 2, 3}},
        "first": {"/a.py": {4}},
    }

    # AND the next one has it all
    assert read(snapshots).files == {"/a.py": {1, 2, 3, 4}, "/new.py": {5}}


def test_plugins_that_meet_files_in_the_middle_of_a_save(snapshots: Snapshots) -> None:
    """Files that a plugin traces from now on do not disturb it."""
    # GIVEN files that are traced by a plugin, unlike one whose name has been looked up already
    read(snapshots)
    collector = snapshots.collector
    collector.file_tracers = {f"/{number}.html": "templates" for number in range(3)}

    # WHEN it meets another as soon as a name is looked up / THEN the snapshot is made
    def meet() -> None:
        collector.file_tracers["/new.html"] = "templates"

    meanwhile(snapshots, collector, "file_mapper", meet)
    assert len(read(snapshots).file_tracers) in (3, 4)
