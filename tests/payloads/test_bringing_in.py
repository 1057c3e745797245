"""The import of coverage: at once only for measuring, all the rest when somebody uses it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from support.inside import PAYLOADS, Inside, compile_for, prepare
from support.interpreters import Interpreter
from support.marks import marked
from support.targets import Launch
from support.waiting import wait_for

from covattach.errors import PayloadFailed
from covattach.injector.bootstrap_line import bootstrap_line

ONLY_FOR_REPORTS = (
    "sqlite3",
    "decimal",
    "inspect",
    "tokenize",
    "coverage.html",
    "coverage.sqldata",
    "coverage.report",
)
LOADED = f"[name for name in {ONLY_FOR_REPORTS!r} if name in sys.modules]"
DATA = (
    "[len(data.lines(name)) for data in [sys.covattach.get_data()]"
    " for name in data.measured_files()]"
)


def test_nothing_that_only_reports_need(interpreter: Interpreter, launch: Launch) -> None:
    """No reporter and no SQLite is imported to measure; coverage's own reports still work."""
    # GIVEN a target without any of them
    target = launch(interpreter, "idle.py", "event")
    assert target.ask(LOADED) == []
    with Inside(target) as agent:
        # WHEN it is measured, THEN none has come
        agent.start()
        target.ask("later()")
        assert target.ask(LOADED) == []

        # AND the live object gives its data, as an object that one knows
        assert sum(target.ask(DATA)) > 0
        known = "isinstance(sys.covattach.get_data(), sys.modules['coverage'].CoverageData)"
        assert target.ask(known) is True

        # AND makes its reports
        report = agent.path / "report.json"
        assert target.ask(f"sys.covattach.json_report(outfile={str(report)!r})") > 0
        assert json.loads(report.read_text())["totals"]["covered_lines"] > 0
        assert target.ask(f"sys.covattach.html_report(directory={str(agent.path / 'html')!r})") > 0
        agent.stop()

    # AND a second session, which takes the same modules again, measures too
    with Inside(target) as agent:
        agent.start()
        target.ask("later()")
        assert sum(target.ask(DATA)) > 0
        agent.stop()


@pytest.mark.pythons("3.9", "3.11", "3.12", "3.14")
def test_application_that_imports_coverage(interpreter: Interpreter, launch: Launch) -> None:
    """An application that imports coverage meanwhile gets the real modules and classes."""
    # GIVEN a target that is measured
    target = launch(interpreter, "idle.py", "event")
    with Inside(target) as agent:
        agent.start()

        # WHEN the application imports a reporter and makes data of its own
        # THEN they are the real ones
        assert target.ask("type(__import__('coverage.html').html.HtmlReporter).__name__") == "type"
        assert target.ask("type(__import__('sqlite3').connect).__name__ != 'LazyObject'") is True
        own = "isinstance(__import__('coverage').CoverageData(no_disk=True), object)"
        assert target.ask(own) is True

        # AND so are the names of the package itself, which can be base classes
        assert target.ask("type(__import__('coverage').CoverageData).__name__") == "type"
        assert target.ask("hasattr(__import__('coverage'), 'nothing')") is False
        made = "type('Own', (__import__('coverage').CoverageData,), {}).__mro__[1].__name__"
        assert target.ask(made) == "CoverageData"

        # AND a configuration that cannot be read is told of as ever
        (agent.path / "bad.toml").write_text("[tool.coverage\n")
        bad = str(agent.path / "bad.toml")
        assert "ConfigError" in target.ask(f"__import__('coverage').Coverage(config_file={bad!r})")

        # AND one that can be read is read
        (agent.path / "good.ini").write_text("[coverage:run]\nbranch = true\n")
        good = f"__import__('coverage').Coverage(config_file={str(agent.path / 'good.ini')!r})"
        assert target.ask(f"{good}.get_option('run:branch')") is True
        agent.stop()


@pytest.mark.pythons("3.12", "3.14", "3.15")
def test_branches_by_sysmon_parse_nothing_late(interpreter: Interpreter, launch: Launch) -> None:
    """The parser of sources is imported before the application's threads run into it."""
    core = "ctrace" if interpreter.minor < (3, 14) else "sysmon"
    target = launch(interpreter, "idle.py", "event")
    with Inside(target) as agent:
        agent.start(core=core, branch=True)
        assert target.ask("'coverage.parser' in sys.modules") is (core == "sysmon")
        agent.stop()


@pytest.mark.parametrize("branch", [False, True])
def test_application_imports_nothing_for_us(
    interpreter: Interpreter, branch: bool, launch: Launch, tmp_path: Path
) -> None:
    """A lazy import of ours is never made by a thread that is measured."""
    # GIVEN a target that is measured
    target = launch(interpreter, "idle.py", "event")
    with Inside(target) as agent:
        agent.start(branch=branch, source=[str(tmp_path)])
        before = target.ask("sorted(sys.modules)")

        # WHEN the application runs files that are new to coverage, one of them as a main program
        for name in ("__main__", "other"):
            path = str(tmp_path / f"{name}.py")
            code = f"compile('[one for one in range(3) if one]', {path!r}, 'exec')"
            assert target.ask(f"exec({code}, {{'__name__': {name!r}}})") is None
            assert agent.dump().files[path]

        # THEN no module is new
        assert target.ask("sorted(sys.modules)") == before
        agent.stop()


def test_compiled_payloads(interpreter: Interpreter, launch: Launch) -> None:
    """Code that was compiled outside is used: no source is there."""
    target = launch(interpreter, "idle.py", "event")
    before = target.residue()
    agent = Inside(target)
    compile_for(interpreter, agent.path)
    with agent:
        agent.start()
        target.ask("later()")
        assert agent.points("idle.py")
        # AND a fault is told with the numbers of the lines, at the least
        with pytest.raises(PayloadFailed) as caught:
            agent.ask("html")
        assert "<covattach agent.dump_verbs>" in caught.value.traceback
        agent.stop()
    wait_for(lambda: target.traces()["threads"] == before["threads"], "the end")
    target.assert_untouched(before)


@pytest.mark.pythons("3.9", "3.11", "3.14")
def test_compiled_for_another_version(interpreter: Interpreter, launch: Launch) -> None:
    """Code with another magic number is left alone, and the sources are compiled."""
    target = launch(interpreter, "idle.py", "event")
    agent = Inside(target)
    shutil.copytree(PAYLOADS, agent.path / "payloads")
    (agent.path / "payloads" / "compiled").write_bytes(b"none" + b"\0" * 100)
    with agent:
        agent.start()
        target.ask("later()")
        assert agent.points("idle.py")
        agent.stop()


def test_nothing_is_imported_in_the_application_s_time(
    interpreter: Interpreter, tmp_path: Path
) -> None:
    """The thread that executes the line imports nothing, and compiles next to nothing."""
    session = tmp_path / "covattach-x"
    session.mkdir()
    compile_for(interpreter, session)
    prepare(session)
    line = bootstrap_line("covattach-x").decode()
    program = f"import sys; before = set(sys.modules); exec({line!r})\n"
    program += "print(sorted(set(sys.modules) - before))"
    done = subprocess.run(
        [interpreter.python, "-I", "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout in ("[]\n", "['__future__']\n")


@pytest.mark.pythons("3.9", "3.11", "3.14")
def test_less_than_a_plain_import(interpreter: Interpreter) -> None:
    """At most half of the modules of a plain import come in."""
    program = (
        "import sys, threading, json; before = set(sys.modules)\n"
        f"sys.path.insert(0, {str(PAYLOADS)!r})\n"
        "{how}\n"
        "print(len(set(sys.modules) - before))"
    )
    ours = (
        "import types; package = types.ModuleType('p'); package.__path__ = [sys.path[0]]\n"
        "sys.modules['p'] = package; sys.path.pop(0); import importlib; import importlib.util\n"
        "name = 'p.coverage_import.coverage_package'\n"
        "importlib.import_module(name).import_coverage(None)"
    )
    counts = []
    for how in ("import coverage", ours):
        done = subprocess.run(
            [interpreter.python, "-c", program.replace("{how}", how)],
            env={"PYTHONPATH": interpreter.site, "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=True,
        )
        counts.append(int(done.stdout))
    print(counts)
    assert counts[1] <= 0.5 * counts[0]


@pytest.mark.pythons("3.9", "3.11", "3.14")
def test_a_coverage_that_cannot_be_read(
    interpreter: Interpreter, launch: Launch, tmp_path: Path
) -> None:
    """Where the target's own is in a zip file, the one that covattach has is taken."""
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", interpreter.site, "coverage")
    target = launch(interpreter, "idle.py", "event", env={"PYTHONPATH": packed})
    with Inside(target) as agent:
        brought = f"{interpreter.site}/coverage"
        agent.ask("start", options={"brought": brought, "settings": {}})
        assert target.ask("__import__('coverage').__file__") == f"{brought}/__init__.py"
        agent.stop()


@pytest.mark.pythons("3.15")
@pytest.mark.parametrize("first", ["None", "__import__('coverage')"])
def test_where_all_imports_wait(interpreter: Interpreter, first: str, launch: Launch) -> None:
    """A program of which all imports wait until they are used is measured like others (PEP 810)."""
    # GIVEN such a program, which may have imported coverage
    target = launch(interpreter, "company.py", "none", options=("-X", "lazy_imports=all"))
    target.ask(f"{first} and None")
    # WHEN it is measured, THEN its lines are in a dump
    with Inside(target) as agent:
        agent.start()
        target.ask("later()")
        expected = marked("company.py", "# later")
        assert agent.points_until("company.py", expected) >= expected
        agent.stop()
