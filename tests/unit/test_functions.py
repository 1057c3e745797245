"""Executed lines are put into the functions of their sources, in the order of their entries."""

from __future__ import annotations

from pathlib import Path

import pytest

from covattach.reports.functions import (
    OUTSIDE,
    Entry,
    Function,
    Part,
    check_entries,
    functions,
    lines_of,
)
from covattach.snapshot.lines_and_arcs import SnapshotError

SOURCE = '''\
import os

@decorated
def first(count):
    """Have a docstring."""
    def inner():
        return count
    return [inner() for _ in range(count)]

class Shop:
    name = "shop"
    async def sell(self, item=lambda: 1):
        await item
        return item

def short(): return 1
'''


@pytest.fixture
def source(tmp_path: Path) -> str:
    """Write the source, and return its name."""
    path = tmp_path / "shop.py"
    path.write_text(SOURCE)
    return str(path)


def shown(found: list[Function]) -> list[tuple[str, int, list[int]]]:
    """Return names, first lines and lines."""
    return [(one.name, one.line, one.lines) for one in found]


def test_lines_belong_to_the_innermost_function(source: str, tmp_path: Path) -> None:
    """Bodies are their functions', all else is outside; without entries it goes by line."""
    lines = {source: {1, 4, 7, 8, 11, 13, 16}}

    found = functions([Part(lines, [])], tmp_path)

    assert shown(found) == [
        (OUTSIDE, 1, [1, 4, 11]),
        ("first", 3, [8]),
        ("first.inner", 6, [7]),
        ("Shop.sell", 12, [13]),
        ("short", 16, [16]),
    ]
    assert found[2].text == {7: "        return count"}


def test_order_is_that_of_the_entries(source: str, tmp_path: Path) -> None:
    """Functions that were entered come in that order; those already running come after them."""
    lines = {source: {7, 8, 13, 16}}
    entries = [Entry(source, 12, "sell", 1.0), Entry(source, 3, "first", 2.5)]

    found = functions([Part(lines, entries)], tmp_path)

    # A `def` in one line that was not entered has been executed as a definition.
    assert [(one.name, one.ms) for one in found] == [
        ("Shop.sell", 1.0),
        ("first", 2.5),
        ("first.inner", None),
        (OUTSIDE, None),
    ]


def test_several_processes_are_put_together(source: str, tmp_path: Path) -> None:
    """The first process that enters a function counts; lines that ran before in any are not new."""
    one = Part({source: {8}}, [Entry(source, 3, "first", 5.0)], {source: {13}})
    two = Part({source: {8, 13, 14}}, [Entry(source, 3, "first", 1.0)], {}, offset=2.0)

    found = functions([one, two], tmp_path)

    assert [(f.name, f.ms, f.lines, f.new) for f in found] == [
        ("first", 3.0, [8], {8}),
        ("Shop.sell", None, [13, 14], {14}),
    ]


def test_without_a_source_entries_tell(tmp_path: Path) -> None:
    """Lines of a file that cannot be read go to the entry before them."""
    entries = [Entry("/nowhere.py", 10, "late", 1.0), Entry("/nowhere.py", 3, "early", 2.0)]

    found = functions([Part({"/nowhere.py": {1, 4, 11}}, entries)], tmp_path)

    assert shown(found) == [("late", 10, [11]), ("early", 3, [4]), (OUTSIDE, 1, [1])]
    assert shown(functions([Part({"/nowhere.py": {4}}, [])], tmp_path)) == [(OUTSIDE, 4, [4])]


def test_arcs_become_lines() -> None:
    """Entries and exits of arcs are no lines."""
    assert lines_of({"f": {(-1, 3), (3, 4), (4, -1)}, "g": {5, 0}}) == {"f": {3, 4}, "g": {5}}


def test_functions_of_which_only_the_def_can_run(tmp_path: Path) -> None:
    """A call of a function that is but a docstring is told from its definition."""
    path = tmp_path / "quiet.py"
    path.write_text('def quiet():\n    """Do nothing."""\n')
    called = [Entry(str(path), 1, "quiet", 1.0)]
    defined = [Entry(str(path), 0, "<module>", 1.0)]

    (call,) = functions([Part({str(path): {1}}, called)], tmp_path)
    (definition,) = functions([Part({str(path): {1}}, defined)], tmp_path)

    assert (call.name, call.is_empty) == ("quiet", True)
    assert (definition.name, definition.is_empty) == (OUTSIDE, False)


@pytest.mark.parametrize("found", [None, {}, [3], [["f", 1, "name"]], [["f", "1", "name", 2.0]]])
def test_what_a_target_says_is_checked(found: object) -> None:
    """Nothing but places and times is believed."""
    with pytest.raises(SnapshotError):
        check_entries(found)
    assert check_entries([["f", 1, "name", 2.5]]) == [Entry("f", 1, "name", 2.5)]
