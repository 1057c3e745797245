"""Long runs in parts: what has passed is not run again, and what has not is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

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
    pytester.makeconftest(f'import sys; sys.path.append({ours!r}); pytest_plugins = ["resumable"]')
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
