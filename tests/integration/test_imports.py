"""Reports tell lines that ran at import, before the attach, from lines that never ran."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.command import Covattach
from support.interpreters import Interpreter
from support.marks import marked
from support.targets import TARGETS, Launch
from support.waiting import ticks, wait_for


def lines_of_kind(page: Path, kind: str) -> set[int]:
    """Return the numbers of the lines of a kind on a page of the HTML report."""
    found = re.findall(r'<p class="(\w+)[^"]*"><span class="n"><a id="t(\d+)"', page.read_text())
    return {int(number) for category, number in found if category == kind}


@pytest.mark.pythons("3.9", "3.11", "3.13", "3.14", "3.15")
def test_import_time_is_told_apart(
    interpreter: Interpreter, covattach: Covattach, launch: Launch, tmp_path: Path
) -> None:
    """The page, the table and the facts say which lines ran at import; the data file does not."""
    # GIVEN a target that has imported one module, and imports another while measured
    for name in ("imports.py", "imports_before.py", "imports_later.py"):
        shutil.copy(TARGETS / name, tmp_path)
    target = launch(interpreter, tmp_path / "imports.py")
    covattach("start", target.pid, "--every", "1s", "--include", f"{tmp_path}/*")
    assert target.ask("load()") == 2

    # WHEN it is dumped
    done = covattach("dump", target.pid, "--json")
    pages = covattach.folder / "htmlcov"

    # THEN exactly the lines that ran before are marked, in each file
    for name in ("imports", "imports_before"):
        (page,) = pages.glob(f"*{name}_py.html")
        assert lines_of_kind(page, "imp") == marked(tmp_path / f"{name}.py", "# before")
    (page,) = pages.glob("*imports_later_py.html")
    assert lines_of_kind(page, "imp") == set()

    # AND the figures add up, also the share of the functions that ran
    facts = done.facts
    kinds = ("lines", "lines_at_import", "lines_undecided", "lines_never_seen")
    assert sum(facts[name] for name in kinds) == facts["statements"]
    at_import = len(marked(tmp_path / "imports.py", "# before")) + len(
        marked(tmp_path / "imports_before.py", "# before")
    )
    assert facts["lines_at_import"] == at_import
    assert facts["percent_of_functions"] == pytest.approx(100 * 5 / 8)
    said = " ".join(done.err.split())  # the table breaks its lines
    assert f"{at_import} ran before the attach, when modules were imported." in said
    assert "62% of functions" in (pages / "index.html").read_text()

    # AND stock coverage shows the measured lines only
    command = [sys.executable, "-m", "coverage", "report", "--format=total", "--precision=4"]
    stock = subprocess.run(
        command, cwd=covattach.folder, capture_output=True, text=True, check=True
    )
    assert float(stock.stdout) == pytest.approx(facts["percent"], abs=1e-4)

    # WHEN the target is killed / THEN its autosave says the same
    (folder,) = target.folders
    before = os.stat(folder / "snapshot").st_mtime if (folder / "snapshot").exists() else 0.0
    wait_for(
        lambda: (folder / "snapshot").exists() and os.stat(folder / "snapshot").st_mtime > before,
        "a snapshot is saved",
    )
    target.popen.kill()
    target.wait()
    saved = covattach("stop", target.pid, "--json").facts
    assert saved["lines_at_import"] == at_import


@pytest.mark.pythons("3.11")
def test_a_source_that_has_changed(
    interpreter: Interpreter, covattach: Covattach, launch: Launch, tmp_path: Path
) -> None:
    """A source that is replaced after it was loaded, before the attach, is named."""
    # GIVEN a target, of which a source is replaced before the attach by one with an older date
    for name in ("imports.py", "imports_before.py", "imports_later.py"):
        shutil.copy(TARGETS / name, tmp_path)
    target = launch(interpreter, tmp_path / "imports.py")
    wait_for(lambda: ticks() > target.start_time + 4, "a source newer than the target's first tick")
    source = tmp_path / "imports_before.py"
    other = tmp_path / "other"
    other.write_text("# new\n" + source.read_text())
    os.utime(other, (1e9, 1e9))
    os.replace(other, source)

    # WHEN it is measured and dumped
    covattach("start", target.pid, "--include", f"{tmp_path}/*")
    target.ask("load()")
    done = covattach("dump", target.pid, "--json")

    # THEN that source is named, and no other; no line of it is said to have run at import
    warning = done.line("Warning: Changed")
    assert str(source) in warning
    assert str(tmp_path / "imports.py") not in warning
    assert done.facts["lines_at_import"] == len(marked(tmp_path / "imports.py", "# before"))
    covattach("stop", target.pid, "--no-dump")


@pytest.mark.pythons("3.11")
@pytest.mark.parametrize("writes", ["", "1"], ids=["compiled", "not compiled"])
def test_a_source_that_was_written_before_it_was_imported(
    interpreter: Interpreter,
    covattach: Covattach,
    launch: Launch,
    tmp_path: Path,
    writes: str,
) -> None:
    """The time of the load counts, not that of the process's start; also after a reset."""
    # GIVEN a target that has imported a source which was written after it had begun
    for name in ("imports.py", "imports_before.py"):
        shutil.copy(TARGETS / name, tmp_path)
    environment = {"PYTHONDONTWRITEBYTECODE": writes}
    target = launch(interpreter, tmp_path / "imports.py", env=environment)
    wait_for(lambda: ticks() > target.start_time + 4, "a source newer than the target's first tick")
    source = tmp_path / "imports_later.py"
    source.write_text((TARGETS / "imports_later.py").read_text())
    assert target.ask("load()") == 2

    # WHEN it is measured and dumped / THEN it has not changed, and is known to have been imported
    covattach("start", target.pid, "--include", f"{tmp_path}/*")
    (tmp_path / "imports_last.py").write_text("def used():\n    return 1\n")
    assert target.ask("__import__('imports_last').used() + load()") == 3
    done = covattach("dump", target.pid, "--reset")
    assert "Changed" not in done.err
    (page,) = (covattach.folder / "htmlcov").glob("*imports_later_py.html")
    assert lines_of_kind(page, "imp") == {3, 6, 10}
    assert target.ask("__import__('imports_last').used()") == 1
    assert "Changed" not in covattach("dump", target.pid).err

    # WHEN it is written again / THEN it has
    source.write_text("# new\n" + source.read_text())
    assert target.ask("load()") == 2
    assert str(source) in covattach("stop", target.pid).line("Warning: Changed")


SETTINGS = """\
[run]
source = shop
[paths]
shop =
    {0}/checkout/shop
    {0}/production/shop
"""


@pytest.mark.pythons("3.11")
def test_sources_in_a_fresh_checkout(
    interpreter: Interpreter, covattach: Covattach, launch: Launch, tmp_path: Path
) -> None:
    """With [paths] each file is there once, its text says that it is the same, and imports show."""
    # GIVEN a target whose files are to be found in a checkout that is newer than it
    production, checkout = tmp_path / "production", tmp_path / "checkout"
    (production / "shop").mkdir(parents=True)
    (production / "shop" / "__init__.py").touch()
    shutil.copy(TARGETS / "imports_before.py", production / "shop" / "cart.py")
    shutil.copy(TARGETS / "imports_later.py", production / "shop" / "idle.py")
    (production / ".coveragerc").write_text(SETTINGS.format(tmp_path))
    target = launch(interpreter, TARGETS / "ordered.py", cwd=production)
    assert target.ask(f"sys.path.insert(0, {str(production)!r})") is None
    assert target.ask("__import__('shop.cart').cart.used()") == 1
    wait_for(lambda: ticks() > target.start_time + 4, "a checkout newer than the target")
    shutil.copytree(production / "shop", checkout / "shop", copy_function=shutil.copyfile)

    # WHEN it is measured and dumped
    covattach("start", target.pid)
    assert target.ask("__import__('shop.cart').cart.used()") == 1
    done = covattach("dump", target.pid, "--format=html,json", "--imports=executed")

    # THEN each file is there once, as in stock coverage after `combine`
    report = json.loads((covattach.folder / "coverage.json").read_text())
    names = {name.rpartition("/")[2]: facts for name, facts in report["files"].items()}
    assert len(report["files"]) == 3
    assert all("checkout" in name for name in report["files"])
    at_import = marked(TARGETS / "imports_before.py", "# before")
    assert set(names["cart.py"]["import_lines"]) == at_import
    assert set(names["cart.py"]["executed_lines"]) == {14, *at_import}
    assert "1 file of which nothing ran" in " ".join(done.err.split())

    # AND no source counts as changed, and the lines at import are known
    assert "Changed" not in done.err
    (page,) = (covattach.folder / "htmlcov").glob("*cart_py.html")
    assert lines_of_kind(page, "imp") == at_import

    # WHEN the checkout is of another release / THEN that is said
    cart = checkout / "shop" / "cart.py"
    cart.write_text(cart.read_text() + "LATER = 3\n")
    assert str(cart) in covattach("stop", target.pid).line("Warning: Changed")
