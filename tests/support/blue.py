"""Comparison of the lines that we claim ran at import with those that stock coverage saw run.

Reports show such lines in blue.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coverage.parser import PythonParser

from covattach.reports.import_time import blocks, toplevel
from covattach.snapshot import imported_modules

RECORDER = Path(__file__).parent.parent / "programs" / "imports_under_coverage.py"


@dataclass
class Comparison:
    """Lines claimed for imported files, compared with those that coverage saw run there.

    `files` counts the files.  `seen` counts the top-level lines that coverage saw, and `claimed`
    those of them that are claimed.  `claims` has the claimed lines of each file.  `false` lists the
    wrong claims, as "FILE:LINE": that a line ran, or that it was passed over.
    """

    files: int = 0
    seen: int = 0
    claimed: int = 0
    false: list[str] = field(default_factory=list)
    claims: dict[str, set[int]] = field(default_factory=dict)

    def add(self, recorded: dict[str, Any]) -> None:
        """Compare the claims for the imports of one process with the lines `recorded` there."""
        told = imported_modules.check(recorded["imported"])
        for name, lines in recorded["lines"].items():
            held = told.of(name)
            if held:
                self.add_file(name, held, lines)

    def add_file(
        self, name: str, held: frozenset[imported_modules.ImportedModule], lines: list[int]
    ) -> None:
        """Compare the file `name`; one that this Python cannot parse is left out.

        `held` are the descriptions of its modules, and `lines` those that coverage saw run.
        """
        try:
            parser = PythonParser(text=Path(name).read_text(encoding="utf-8"), filename=name)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                parser.parse_source()
                tree = ast.parse(parser.text)
        except (ValueError, SyntaxError):
            return
        found = toplevel.judge(tree, held, set())
        assert found is not None
        ran = parser.first_lines(lines) & parser.statements
        claims = parser.first_lines(found.ran) & parser.statements
        passed = parser.first_lines(found.passed_over) & parser.statements - claims
        top = ran - blocks.function_lines(tree)
        self.false += [f"{name}:{line}" for line in sorted(claims - ran)]
        self.false += [f"{name}:{line} passed over" for line in sorted(passed & top)]
        self.files += 1
        self.seen, self.claimed = self.seen + len(top), self.claimed + len(claims & top)
        self.claims[name] = claims

    def include(self, other: Comparison) -> None:
        """Add the counts of another comparison."""
        self.files, self.seen = self.files + other.files, self.seen + other.seen
        self.claimed, self.false = self.claimed + other.claimed, self.false + other.false

    @property
    def percent(self) -> float:
        """Return the share of the lines seen by coverage that is claimed, 0 to 100."""
        return 100 * self.claimed / max(self.seen, 1)


def recorded(
    python: Sequence[str], site: str, words: Sequence[str], timeout: float = 300
) -> dict[str, Any]:
    """Run imports_under_coverage.py on a `python`, with the arguments `words`; return its output.

    `site` is the folder where that Python's coverage is, and `timeout` is in seconds.
    """
    environment = {**os.environ, "PYTHONPATH": site, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [*python, str(RECORDER), *words]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True, timeout=timeout
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found
