"""The target's configuration and the options choose the sources measured and the reports."""

from __future__ import annotations

import json
from pathlib import Path

import coverage
import pytest
from support.command import Covattach
from support.interpreters import Interpreter
from support.targets import Launch, Target

ONE = "def run(flag):\n    if flag:\n        return 1\n    return 2\n"
PYPROJECT = """\
[tool.coverage.run]
branch = true
omit = ["*/two.py"]
plugins = ["no_such_plugin"]
data_file = "/nowhere/data"
[tool.coverage.html]
directory = "/nowhere/html"
"""
COVERAGERC = """\
[run]
source = here
plugins = no_such_plugin
data_file = /nowhere/data
"""
MAIN = """\
import sys
sys.path[:0] = [sys.argv[1], sys.argv[2]]
import answering, one, two, there
from here import three
answering.in_thread(globals())
while True:
    answering.threading.Event().wait(0.01)
"""


@pytest.fixture
def begin(launch: Launch, tmp_path: Path) -> Launch:
    """Start a target of some modules whose working directory has a configuration in it."""

    def start(interpreter: Interpreter, name: str, text: str) -> Target:
        folder = tmp_path / "application"
        (folder / "here").mkdir(parents=True)
        for module in ("one", "two", "there", "here/three", "here/never"):
            (folder / f"{module}.py").write_text(ONE)
        (folder / "here" / "__init__.py").write_text("")
        (folder / "main.py").write_text(MAIN)
        (folder / name).write_text(text)
        return launch(interpreter, folder / "main.py", folder, folder, cwd=folder)

    return start


def run_all(target: Target) -> None:
    """Have each module of the target run."""
    for module in ("one", "two", "there", "three"):
        assert target.ask(f"{module}.run(True)") == 1


def measured(covattach: Covattach) -> set[str]:
    """Return the names of the modules that have executed lines in the data file."""
    data = coverage.CoverageData(str(covattach.folder / ".coverage"))
    data.read()
    return {Path(name).stem for name in data.measured_files() if data.lines(name)} - {
        "main",
        "answering",
    }


@pytest.mark.pythons("3.9", "3.11", "3.14")
def test_pyproject_of_the_target(
    interpreter: Interpreter, covattach: Covattach, begin: Launch
) -> None:
    """`branch` and `omit` are honoured; plugins and output paths are not."""
    # GIVEN a target with a pyproject.toml in its working directory
    target = begin(interpreter, "pyproject.toml", PYPROJECT)

    # WHEN it is measured without options
    facts = covattach("start", target.pid, "--json").facts
    run_all(target)
    dumped = covattach("stop", target.pid, "--json").facts

    # THEN it is measured as the file says, and the outputs are where the caller is
    assert facts["branch"] is True
    assert measured(covattach) == {"one", "there", "three"}
    assert dumped["data_file"] == str(covattach.folder / ".coverage")
    assert dumped["html"] == str(covattach.folder / "htmlcov" / "index.html")


@pytest.mark.pythons("3.9", "3.11", "3.14")
def test_coveragerc_of_the_target(
    interpreter: Interpreter, covattach: Covattach, begin: Launch
) -> None:
    """`source` starts from the target's directory; its files that never ran are in the report."""
    # GIVEN a target with a .coveragerc in its working directory
    target = begin(interpreter, ".coveragerc", COVERAGERC)

    # WHEN it is measured without options
    covattach("start", target.pid)
    run_all(target)
    dumped = covattach("stop", target.pid, "--format", "html,json", "--json").facts

    # THEN only that source was measured, and the file that never ran is there with 0 %
    assert measured(covattach) == {"three"}
    report = json.loads(Path(dumped["outputs"]["json"]).read_text())
    percents = {
        Path(name).stem: file["summary"]["percent_covered"]
        for name, file in report["files"].items()
    }
    assert percents["never"] == 0
    assert percents["three"] > 0


@pytest.mark.pythons("3.11", "3.14")
def test_options_win(
    interpreter: Interpreter, covattach: Covattach, begin: Launch, tmp_path: Path
) -> None:
    """An rcfile replaces the target's configuration, and options win over both."""
    # GIVEN a target with a configuration
    target = begin(interpreter, "pyproject.toml", PYPROJECT)

    # WHEN it is measured with options, THEN those win
    facts = covattach("start", target.pid, "--no-branch", "--omit", "*/one.py", "--json").facts
    run_all(target)
    covattach("stop", target.pid, "--no-html")
    assert facts["branch"] is False
    assert measured(covattach) == {"two", "there", "three"}

    # WHEN it is measured with an rcfile, THEN that is taken instead
    rcfile = tmp_path / "rcfile"
    rcfile.write_text("[run]\nbranch = false\ninclude = */two.py,*/there.py\n")
    facts = covattach("start", target.pid, "--rcfile", rcfile, "--json").facts
    run_all(target)
    covattach("stop", target.pid, "--no-html")
    assert facts["branch"] is False
    assert measured(covattach) == {"two", "there"}

    # WHEN there are both, THEN the option wins
    covattach("start", target.pid, "--rcfile", rcfile, "--include", "*/one.py", "--branch")
    run_all(target)
    covattach("stop", target.pid, "--no-html")
    assert measured(covattach) == {"one"}


@pytest.mark.pythons("3.9", "3.11", "3.12", "3.14")
@pytest.mark.parametrize("core", ["ctrace", "sysmon"])
def test_core(interpreter: Interpreter, core: str, covattach: Covattach, begin: Launch) -> None:
    """`--core` chooses the core, with a warning where this Python lacks it."""
    # GIVEN a target
    target = begin(interpreter, "nothing", "")
    before = target.residue()

    # WHEN a core is asked for
    done = covattach("start", target.pid, "--core", core, "--json")

    # THEN it is taken, or a warning says that this Python lacks it
    if core == "sysmon" and interpreter.minor < (3, 12):
        assert done.facts["core"] == "ctrace"
        assert "Warning: " in done.err
    else:
        assert done.facts["core"] == core
    run_all(target)
    covattach("stop", target.pid, "--no-html")
    assert measured(covattach) == {"one", "two", "there", "three"}
    target.assert_untouched(before)


@pytest.mark.pythons("3.9", "3.11", "3.14")
def test_report_made_in_the_target(
    interpreter: Interpreter, covattach: Covattach, begin: Launch
) -> None:
    """`--in-target` has coverage make its HTML report there, and nothing is lost by it."""
    # GIVEN a measured target
    target = begin(interpreter, "nothing", "")
    before = target.residue()
    covattach("start", target.pid)
    run_all(target)

    # WHEN the report is made in the target
    facts = covattach("dump", target.pid, "--in-target", "--json").facts

    # THEN it is there, and the next dump has all that there was
    page = Path(facts["html"])
    assert "Coverage report" in page.read_text()
    assert len(list(page.parent.glob("*one_py.html"))) == 1
    covattach("stop", target.pid, "--no-html")
    assert measured(covattach) == {"one", "two", "there", "three"}
    target.assert_untouched(before)


@pytest.mark.pythons("3.9", "3.11", "3.13", "3.14")
def test_target_without_coverage(
    interpreter: Interpreter, covattach: Covattach, launch: Launch, tmp_path: Path
) -> None:
    """A target without coverage gets covattach's own where it fits, or a refusal with a remedy."""
    # GIVEN a target without coverage, and an empty cache
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    target = launch(interpreter, "idle.py", "sleep", env={"PYTHONPATH": "/nowhere"})
    before = target.residue()

    # WHEN it is measured, THEN it is refused where our coverage does not fit
    fits = covattach.run("start", target.pid, "--core", "ctrace", env=cache).code == 0
    if not fits:
        minor = ".".join(map(str, interpreter.minor))
        said = covattach.fails(4, "start", target.pid, "--core", "ctrace", env=cache)
        assert f"covattach provision --python {minor}" in said
        target.assert_untouched(before)

        # AND measured as soon as there is one in the cache
        kept = tmp_path / "cache" / "covattach" / "coverage" / minor
        kept.mkdir(parents=True)
        (kept / "coverage").symlink_to(Path(interpreter.site) / "coverage")
        covattach("start", target.pid, "--core", "ctrace", env=cache)
    assert target.ask("sys.covattach.get_option('run:core')") == "ctrace"

    # AND it has none afterwards
    covattach("stop", target.pid, "--no-dump")
    found = "__import__('importlib.util').util.find_spec('coverage')"
    assert target.ask(found) is None
    target.assert_untouched(before)
