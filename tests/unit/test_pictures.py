"""The pictures of the README show today's output."""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import pictures  # noqa: E402


def test_report_is_todays() -> None:
    """The report's picture is as new as the sample and the templates that it shows."""
    known = json.loads(pictures.DIGESTS.read_text())
    assert known["report.png"] == pictures.digest_of_report(), "run tools/pictures.py"


def test_session_is_todays(tmp_path: Path) -> None:
    """The same session, run again, says the same, but for its numbers."""
    again, known = tmp_path / "session.svg", pictures.DOCS / "session.svg"
    pictures.draw(pictures.session(tmp_path), again)
    words, expected = pictures.words_of(again), pictures.words_of(known)
    if f"Python&#160;3.{sys.version_info.minor}." not in known.read_text():
        # What `start` says depends on the version.
        words, expected = (one[one.index("dump") :] for one in (words, expected))
    assert words == expected, "run tools/pictures.py"
