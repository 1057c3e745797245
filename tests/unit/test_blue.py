"""No line is said to have run at import that did not, on each Python."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from support import blue
from support.blue_modules import PRELUDE, SOURCES
from support.interpreters import Interpreter

BROUGHT = {"victim", "unborn", "exec_ed", "kept"}  # by the prelude, or by nobody


def written(folder: Path) -> dict[str, set[int]]:
    """Write the modules; return the lines of each that are to be claimed."""
    (folder / "prelude.py").write_text(PRELUDE)
    marked = {}
    for name, source in SOURCES.items():
        text = textwrap.dedent(source).lstrip()
        (folder / f"{name}.py").write_text(text)
        lines = enumerate(text.splitlines(), 1)
        marked[name] = {number for number, line in lines if line.endswith("# +")}
    return marked


@pytest.mark.pythons("3.9", "3.11", "3.14", stress=("3.10", "3.12", "3.13", "3.15"))
@pytest.mark.parametrize("options", [(), ("-OO",)], ids=["", "OO"])
def test_no_claim_is_false(
    interpreter: Interpreter, options: tuple[str, ...], tmp_path: Path
) -> None:
    """Stock coverage saw each line that is claimed of modules that were imported, or half so."""
    # GIVEN modules of all kinds, imported under stock coverage in one process
    marked = written(tmp_path)
    names = [name for name in SOURCES if name not in BROUGHT and name[:4] not in ("half", "lazy")]
    words = [f"--include={tmp_path}/*", f"--prelude={tmp_path}/prelude.py", *names]
    recorded = blue.recorded([interpreter.python, *options], interpreter.site, words)

    # WHEN the agent's account of them is judged
    compared = blue.Comparison()
    compared.add(recorded)

    # THEN no claim is false, and the lines that must have run are claimed
    assert compared.false == []
    claimed = {Path(name).stem: lines for name, lines in compared.claims.items()}
    assert {"half", "swallowed", "prepared", "kept"} <= claimed.keys()
    if not options:
        missing = {name: marked[name] - claimed.get(name, set()) for name in marked}
        assert {name: lines for name, lines in missing.items() if lines} == {}
