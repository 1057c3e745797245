"""Long runs in parts: a test that has passed is not run again, and every other is."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.resumable import Ledger

pytest_plugins = ["pytester"]

QUICKLY = ("-p", "no:hypothesispytest", "-p", "no:xdist")  # they take seconds to be imported
TESTS = """
import pytest
pytestmark = pytest.mark.stress

def test_good(record_property):
    record_property("attaches", 7)

def test_bad():
    assert {good}
"""


@pytest.fixture
def parts(pytester: pytest.Pytester) -> pytest.Pytester:
    """Return a project with one stress test that passes, and one that fails."""
    ours = str(Path(__file__).parent.parent)
    pytester.makeconftest(
        f'import sys; sys.path.append({ours!r}); pytest_plugins = ["support.resumable"]'
    )
    pytester.makeini("[pytest]\nmarkers = stress")
    pytester.makepyfile(TESTS.format(good=False))
    return pytester


def ledger(parts: pytest.Pytester) -> list[dict[str, object]]:
    """Return the lines of the ledger."""
    lines = (parts.path / ".stress" / "ledger.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_a_run_goes_on(parts: pytest.Pytester) -> None:
    """With --resume, a test that has passed is left out, and one that has failed runs again."""
    # GIVEN a run of which one test has failed
    parts.runpytest_inprocess(*QUICKLY).assert_outcomes(passed=1, failed=1)
    assert [(one["outcome"], one["figures"]) for one in ledger(parts)] == [
        ("passed", {"attaches": 7}),
        ("failed", {}),
    ]

    # WHEN that is mended, and the run goes on
    parts.makepyfile(TESTS.format(good=True))
    outcome = parts.runpytest_inprocess(*QUICKLY, "--resume")

    # THEN the other is not run again
    outcome.assert_outcomes(passed=1, deselected=1)
    assert [one["outcome"] for one in ledger(parts)] == ["passed", "failed", "passed"]


def test_a_part_ends(parts: pytest.Pytester) -> None:
    """No test is begun once the minutes are over, and the summary says how many are left."""
    outcome = parts.runpytest_inprocess(*QUICKLY, "--minutes", "1e-9")
    outcome.assert_outcomes()
    outcome.stdout.fnmatch_lines(["The time is up: 2 tests are left.*--resume."])


def test_two_processes(parts: pytest.Pytester) -> None:
    """Spread over two processes, a part keeps one ledger, and obeys --resume and --minutes."""
    # GIVEN a run by two processes
    parts.runpytest_subprocess("-n", "2", *QUICKLY[:2]).assert_outcomes(passed=1, failed=1)
    assert {one["outcome"] for one in ledger(parts)} == {"passed", "failed"}

    # WHEN it goes on, with no time / THEN what has not passed is left
    again = ("--resume", "--minutes", "1e-9")
    outcome = parts.runpytest_subprocess("-n", "2", *QUICKLY[:2], *again)
    outcome.stdout.fnmatch_lines(["The time is up: 1 tests are left.*--resume."])


def test_two_writers(tmp_path: Path) -> None:
    """Entries of several writers stand each on its line, also behind one that was cut off."""
    path = tmp_path / "ledger" / "ledger.jsonl"
    entries = [
        {"test": f"{number}", "outcome": "passed", "text": "x" * 9000} for number in range(60)
    ]
    Ledger(path).add(entries[0])
    with path.open("a") as file:
        file.write('{"test": "cut o')
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(Ledger(path).add, entries[1:]))
    assert Ledger(path).passed() == {str(number) for number in range(60)}


def test_what_another_checkout_has_left(tmp_path: Path) -> None:
    """The entries of the archive count, unless the same test has run again since."""
    archive, path = tmp_path / "archive", tmp_path / "ledger" / "here"
    Ledger(archive).add({"test": "b", "outcome": "passed"})
    Ledger(archive).add({"test": "a", "outcome": "passed"})
    Ledger(path).add({"test": "b", "outcome": "failed"})

    ledger = Ledger(path, archive)
    assert ledger.passed() == {"a"}

    ledger.write_archive()
    path.unlink()
    assert ledger.passed() == {"a"}
    assert [json.loads(line)["test"] for line in archive.read_text().splitlines()] == ["a", "b"]
