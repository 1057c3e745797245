"""Reports agree with coverage's, overwrite nothing of others, and go on when a file fails."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from covattach.errors import BadUsage, ReportFailed
from covattach.reports import (
    datafile,
    destinations,
    loaded_texts,
    render,
    source_files,
    summary_table,
)
from covattach.reports.datafile_note import reading
from covattach.reports.html_folder import MARKER
from covattach.reports.render import NOTHING_LEFT, NOTHING_RAN
from covattach.reports.results import Report
from covattach.snapshot.imported_modules import ImportedModule, ImportedModules
from covattach.snapshot.snapshot import Snapshot

CODE = """\
def choose(flag):
    if flag:
        return 1
    return 2


choose(True)
"""
ARCS = {(-1, 1), (1, 7), (7, -1), (-1, 2), (2, 3), (3, -1)}
NONE = ImportedModules()
ALL = {"xml", "json", "lcov", "text", "markdown"}
STOCK = {"xml": "xml", "json": "json", "lcov": "lcov", "text": "report", "markdown": "report"}


class Place:
    """A target's folder with sources, and the folder that the user is in, which is another."""

    def __init__(self, folder: Path) -> None:
        self.target = folder / "srv"
        self.user = folder / "user"
        self.target.mkdir()
        self.user.mkdir()
        self.data_file = self.user / ".coverage"
        self.since = time.time() + 60

    def add(self, name: str, code: str = CODE) -> str:
        """Write a source file of the target's; return its name as the target has it."""
        path = self.target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code, encoding="utf-8")
        return str(path)

    def dump(
        self,
        files: dict[str, Any],
        kind: str = "packed",
        loads: ImportedModules = NONE,
        **settings: Any,
    ) -> None:
        """Write executed lines or arcs to the data file; `loads` are imports from before."""
        names = {name.replace("__", ":"): value for name, value in settings.items()}
        never = source_files.never_ran(names, self.target, files)
        snapshot = Snapshot(kind, files, {}, time.time(), loads=loads)
        known = loaded_texts.look([snapshot], self.since, str, never)
        datafile.write(snapshot, self.data_file, {}, never, texts=known)

    def render(self, *formats: str, html: bool = False, **settings: Any) -> Report:
        """Make reports; `run__source=[…]` is the setting `run:source`."""
        return render.render(
            self.data_file,
            html=Path("htmlcov") if html else None,
            formats=set(formats),
            settings={name.replace("__", ":"): value for name, value in settings.items()},
            cwd=self.target,
        )


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Return a place to report in; the current directory is the user's."""
    here = Place(tmp_path)
    monkeypatch.chdir(here.user)
    return here


def shown(report: Report, width: int = 80, rows: int = 30) -> str:
    """Return the table as a terminal of `width` columns shows it."""
    out = io.StringIO()
    summary_table.show(report, Console(file=out, width=width), rows=rows)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["lines", "packed"])
def test_the_numbers_are_coverages(place: Place, kind: str) -> None:
    """Percent, statements and lines are those of stock coverage on the same data file."""
    # GIVEN two files that ran in part
    arcs: dict[str, Any] = {place.add("one.py"): ARCS, place.add("two.py"): {(-1, 1), (1, 7)}}
    lines: dict[str, Any] = {name: {7, 1, 2} for name in arcs}
    place.dump(lines if kind == "lines" else arcs, kind)

    # WHEN we report, and coverage does
    report = place.render()
    command = [sys.executable, "-m", "coverage", "json", "-o", "-"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    theirs = json.loads(done.stdout)

    # THEN both say the same, of all files and of each
    assert report.percent == theirs["totals"]["percent_covered"]
    assert report.total.shown == theirs["totals"]["percent_covered_display"]
    assert (report.files, report.lines) == (2, theirs["totals"]["covered_lines"])
    assert report.statements == theirs["totals"]["num_statements"]
    for row in report.rows:
        their = theirs["files"][str(place.target / row.name)]["summary"]
        assert (row.missing, row.shown) == (
            their["missing_lines"],
            their["percent_covered_display"],
        )
        assert row.partial == their.get("num_partial_branches", 0)


def test_each_format_is_a_good_file(place: Place) -> None:
    """All formats are made in one go, each can be parsed, and nothing else is left behind."""
    # GIVEN a file that ran
    place.dump({place.add("app.py"): ARCS})

    # WHEN every report is made
    report = place.render(*ALL, html=True)

    # THEN each is where it should be, says the same, and the folder holds nothing else
    assert report.html == place.user / "htmlcov" / "index.html"
    assert "app.py" in report.html.read_text(encoding="utf-8")
    assert json.loads(report.outputs["json"].read_text())["files"].keys() == {"app.py"}
    root = ElementTree.parse(report.outputs["xml"]).getroot()  # noqa: S314 - just written
    assert [one.get("filename") for one in root.iter("class")] == ["app.py"]
    assert report.outputs["lcov"].read_text().startswith("SF:app.py\n")
    for kind in ("text", "markdown"):
        assert f"{report.total.shown}%" in report.outputs[kind].read_text()
    assert sorted(os.listdir(place.user)) == [
        ".coverage",
        *("coverage.json", "coverage.lcov", "coverage.md", "coverage.txt", "coverage.xml"),
        "htmlcov",
    ]
    assert report.warnings == []


def test_reports_are_replaced_by_the_next(place: Place) -> None:
    """A second dump writes over the reports of the first, with the new lines."""
    # GIVEN all reports of a first dump
    name = place.add("app.py")
    place.dump({name: {(-1, 1)}})
    place.render(*ALL, html=True)

    # WHEN more has run
    place.dump({name: ARCS})
    report = place.render(*ALL, html=True)

    # THEN all reports have the new lines
    assert report.html
    for path in [report.html, *report.outputs.values()]:
        assert ("5" if path.suffix != ".lcov" else "LH:4") in path.read_text(encoding="utf-8")
    assert json.loads(report.outputs["json"].read_text())["totals"]["covered_lines"] == report.lines


@pytest.mark.parametrize("kind", sorted(ALL))
@pytest.mark.parametrize("what", ["theirs", "changed", "link"])
def test_a_file_that_is_not_ours_is_refused(place: Place, kind: str, what: str) -> None:
    """A report never replaces a file of the user's, nor one of ours that the user has changed."""
    # GIVEN a file in the way
    place.dump({place.add("app.py"): ARCS})
    path = place.user / destinations.FORMATS[kind][1]
    if what == "changed":
        place.render(kind)
    elif what == "link":
        path.symlink_to(place.add("precious"))
    if what != "link":
        path.write_text("mine\n", encoding="utf-8")
    before = path.read_bytes()

    # WHEN a report is made / THEN it is refused before anything is written
    with pytest.raises(BadUsage) as caught:
        place.render(kind, html=True)
    assert path.name in caught.value.remedy
    assert path.read_bytes() == before
    assert not (place.user / "htmlcov").exists()


@pytest.mark.parametrize("what", ["holds a file", "is a file", "is a link", "is coverage's"])
def test_a_folder_that_is_not_ours_is_refused(place: Place, what: str) -> None:
    """The HTML report goes into no folder that holds anything else; the remedy is --html."""
    # GIVEN a folder in the way
    place.dump({place.add("app.py"): ARCS})
    folder = place.user / "htmlcov"
    if what == "holds a file":
        place.add("../user/htmlcov/index.html", "mine")
    elif what == "is a file":
        folder.write_text("mine", encoding="utf-8")
    elif what == "is a link":
        folder.symlink_to(place.target)
    else:
        subprocess.run([sys.executable, "-m", "coverage", "html", "-q"], check=True)

    # WHEN a report is made / THEN it is refused
    with pytest.raises(BadUsage) as caught:
        place.render(html=True)
    assert "--html DIR" in caught.value.remedy
    assert not (folder / MARKER).exists()


def test_an_empty_folder_will_do(place: Place) -> None:
    """The HTML report goes into a folder that is there and empty."""
    # GIVEN an empty folder
    place.dump({place.add("app.py"): ARCS})
    (place.user / "htmlcov").mkdir()

    # WHEN a report is made / THEN it is in there
    report = place.render(html=True)
    assert report.html
    assert report.html.exists()


def test_what_is_in_the_way_is_known_before(place: Place) -> None:
    """Everything can be checked before a target is asked to stop, without changing anything."""
    # GIVEN nothing in the way / THEN nothing is refused, nothing made
    asked: dict[str, Any] = {"html": None, "formats": {"xml"}, "data_file": place.data_file}
    destinations.ensure_ours(settings={}, **asked)
    assert os.listdir(place.user) == []

    # GIVEN a file in the way of a report, and one in the way of the data file
    place.add("../user/mine.xml", "mine")
    with pytest.raises(BadUsage, match=r"mine\.xml"):
        destinations.ensure_ours(settings={"xml:output": "mine.xml"}, **asked)
    place.data_file.write_text("mine", encoding="utf-8")
    with pytest.raises(BadUsage, match=r"\.coverage"):
        destinations.ensure_ours(settings={}, **asked)


def test_an_unknown_format_is_refused(place: Place) -> None:
    """A format that there is not is refused, and those that there are, are named."""
    # GIVEN a data file
    place.dump({})

    # WHEN another format is asked for / THEN it is refused
    with pytest.raises(BadUsage, match="pdf") as caught:
        place.render("pdf")
    assert "markdown" in caught.value.remedy


def test_nothing_ran_is_no_error(place: Place) -> None:
    """Before anything has run, all reports are made, and say that nothing has."""
    # GIVEN the reports of something, and then a reset
    place.dump({place.add("app.py"): ARCS})
    place.render(*ALL, html=True)
    place.dump({})

    # WHEN the reports are made
    report = place.render(*ALL, html=True)

    # THEN they are empty, can be parsed, and show no line of the former report
    assert (report.files, report.lines, report.statements, report.percent) == (0, 0, 0, 0.0)
    assert report.warnings == [NOTHING_RAN]
    assert report.html
    assert NOTHING_RAN in report.html.read_text(encoding="utf-8")
    assert [path.name for path in report.html.parent.glob("*.html")] == ["index.html"]
    assert json.loads(report.outputs["json"].read_text())["totals"]["percent_covered"] == 0
    ElementTree.parse(report.outputs["xml"])  # noqa: S314 - just written
    assert report.outputs["lcov"].read_text() == ""
    assert report.outputs["text"].read_text().strip() == NOTHING_RAN
    assert shown(report).split()[-7:] == ["TOTAL", "0", "0", "0", "0", "0%", "-"]

    # WHEN something runs again / THEN the reports are whole again
    place.dump({place.add("app.py"): ARCS})
    report = place.render(*ALL, html=True)
    assert report.html
    assert "app_py.html" in report.html.read_text(encoding="utf-8")


def test_nothing_left_is_no_error(place: Place) -> None:
    """Where all that ran is left out, the reports say so, and not that nothing ran."""
    # GIVEN a file that ran, and one that cannot be found
    place.dump({place.add("app.py"): ARCS, "/nowhere/gone.py": {(1, 2)}})

    # WHEN the one is omitted
    report = place.render(*ALL, html=True, report__omit=["app.py"])

    # THEN there is nothing left, and both are explained
    assert report.files == 0
    assert report.warnings[0] == NOTHING_LEFT
    assert "/nowhere/gone.py" in report.warnings[1]


def test_bad_sources_do_not_stop_the_others(place: Place) -> None:
    """Sources that are missing, unreadable, endless or not parsable are named; the rest goes on."""
    # GIVEN a good file and four bad ones
    pipe = place.target / "pipe.py"
    os.mkfifo(pipe)
    bad = [
        "/nowhere/gone.py",
        str(pipe),
        "/dev/zero",
        place.add("syntax.py", "match = = 1\n"),
        place.add("zero.py", "a = 1\0\n"),
        place.add("coding.py", "# coding: nonsense\n"),
        place.add("deep.py", "(" * 300 + ")" * 300),
    ]
    place.dump({place.add("app.py"): ARCS, **{name: {(-1, 1), (1, 2)} for name in bad}})

    # WHEN all reports are made
    report = place.render(*ALL, html=True)

    # THEN the good one is in all of them, and each bad one in a warning
    assert [row.name for row in report.rows] == ["app.py"]
    for name in bad:
        assert sum(name in warning for warning in report.warnings) == 1
    assert len(report.warnings) == 2
    for path in report.outputs.values():
        assert "app.py" in path.read_text(encoding="utf-8")


def test_templates_are_left_out_without_a_word(place: Place) -> None:
    """Code with the name of a template is no Python source, and no reason for a warning."""
    # GIVEN a template that ran
    place.dump({place.add("app.py"): ARCS, place.add("page.html", "<p>{{ a }}"): {(-1, 1)}})

    # WHEN a report is made / THEN it is left out, as coverage leaves it out
    report = place.render("text", html=True)
    assert [row.name for row in report.rows] == ["app.py"]
    assert report.warnings == []


def test_a_plugin_that_is_not_there_is_named(place: Place) -> None:
    """A file that a plugin has traced is left out with a warning where the plugin is not loaded."""
    # GIVEN a template that a plugin has traced
    template = place.add("page.html", "<p>")
    files: dict[str, Any] = {place.add("app.py"): {1, 2}, template: {1}}
    snapshot = Snapshot("lines", files, {template: "some_plugin.Plugin"}, time.time())
    datafile.write(snapshot, place.data_file, {})

    # WHEN a report is made without it
    report = place.render("xml")

    # THEN the other file is in it
    assert [row.name for row in report.rows] == ["app.py"]
    assert "some_plugin.Plugin" in report.warnings[0]


def test_changed_sources_are_named(place: Place) -> None:
    """A source that has changed since the session began is in the report, and in a warning."""
    # GIVEN two files written after the session began: the lines that ran fit only one of them
    old, new = place.add("old.py"), place.add("new.py", "# new\n" + CODE)
    place.since = time.time() - 100
    place.dump({old: ARCS, new: ARCS})

    # WHEN a report is made
    report = place.render()

    # THEN both are in it, and the one is named
    assert report.files == 2
    assert len(report.warnings) == 1
    assert new in report.warnings[0]
    assert old not in report.warnings[0]

    # WHEN the other changes after the dump, with the time that it had / THEN it is named, too
    facts = os.stat(old)
    place.add("old.py", CODE.replace("2", "3"))
    os.utime(old, (facts.st_atime, facts.st_mtime))
    assert old in place.render().warnings[0]


def test_changed_sources_of_which_nothing_ran_are_named(place: Place) -> None:
    """A source that was imported before, and of which nothing ran since, may have changed too."""
    # GIVEN four modules that a process has imported; three sources are newer than that
    texts = {
        "ran.py": CODE,
        "same.py": CODE,
        "other.py": "print()\n" + CODE,
        "silent.py": "print()\n",
    }
    names = {name: place.add(name, text) for name, text in texts.items()}
    now = time.time()
    load = ImportedModule(False, None, False, sys.version_info[:2], 0, "choose", "1")
    held = {name: frozenset([load]) for name in names.values()}
    held[names["silent.py"]] = frozenset([load._replace(names="", lines="")])
    loads = ImportedModules(now - 100, held, now + 100)

    # WHEN we report on what ran in another one
    place.dump({names["ran.py"]: {7, 2}}, "lines", loads, run__source=[str(place.target)])
    report = place.render(run__source=[str(place.target)])

    # THEN the one that does not fit its module is named, and nothing of it is said to have run
    (warning,) = [one for one in report.warnings if one.startswith("Changed")]
    assert names["other.py"] in warning
    assert not any(names[name] in warning for name in ("ran.py", "same.py", "silent.py"))
    rows = {row.name: row for row in report.rows}
    assert (rows["same.py"].at_import, rows["same.py"].undecided) == (2, 0)
    assert (rows["other.py"].at_import, rows["other.py"].undecided) == (0, 3)
    assert (rows["silent.py"].at_import, rows["silent.py"].undecided) == (0, 1)


def test_long_lists_are_cut(place: Place) -> None:
    """A warning names the first files and counts the others."""
    # GIVEN a hundred files that are gone
    place.dump({f"/nowhere/{number:03}.py": {(1, 2)} for number in range(100)})

    # WHEN a report is made / THEN one warning tells of all
    report = place.render()
    assert "/nowhere/009.py and 90 more." in report.warnings[1]
    assert "/nowhere/010.py" not in report.warnings[1]


NASTY = [
    "[bold]x[/].py",
    "<script>alert(1)</script>.py",
    "a\nb.py",
    "\x1b[31mred.py",
    "Grüße 🐍.py",
]
NASTY += ["100%s.py", "a'b\"c.py", "a|b&c.py", "a\\b.py", "x" * 240 + ".py"]


def test_nasty_names_are_only_names(place: Place) -> None:
    """Names with markup, control characters or 255 bytes break no report and no terminal."""
    # GIVEN files with such names, in folders where a slash makes them
    names = [place.add(name) for name in NASTY]
    place.dump(dict.fromkeys(names, ARCS))

    # WHEN all reports are made
    report = place.render(*ALL, html=True)

    # THEN all files are in them, but for one whose HTML page could not have that name
    assert report.files == len(NASTY)
    assert report.html
    page = report.html.read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert len(report.warnings) == 1
    assert "names are too long" in report.warnings[0]
    ElementTree.parse(report.outputs["xml"])  # noqa: S314 - just written
    printed = shown(report, width=300) + "".join(report.warnings)
    assert "[bold]x[/].py" in printed
    assert "\x1b" not in printed


def test_big_sources_are_reported_in_time(place: Place) -> None:
    """A file of 20,000 lines is reported like any other."""
    # GIVEN such a file, of which half has run
    code = "".join(f"if a > {n}:\n    b = {n}\n" for n in range(10_000))
    place.dump({place.add("big.py", "a = b = 0\n" + code): set(range(10_000))}, "lines")

    # WHEN reports are made
    report = place.render("xml", html=True)

    # THEN every line is counted
    assert (report.statements, report.lines) == (20_001, 9_999)


def test_files_that_never_ran_have_no_percent(place: Place) -> None:
    """With a source, files that never ran are listed with 0 %, as `coverage run` lists them."""
    # GIVEN a package of which one file ran; tests and a script beside it did not
    ran = place.add("app/main.py")
    for name in ("app/__init__.py", "app/idle.py", "app/tests/test_it.py", "app/no/such.py"):
        place.add(name)
    place.add("app/tests/__init__.py")
    place.add("script.py")
    settings: dict[str, Any] = {"run__source": ["app"], "run__omit": ["app/tests/*"]}
    place.dump({ran: ARCS}, **settings)

    # WHEN a report is made
    report = place.render(**settings)

    # THEN the chosen sources are in it, 0 % where nothing ran; coverage lists the same
    percents = {row.name: row.shown for row in report.rows}
    assert percents.keys() == {"app/main.py", "app/__init__.py", "app/idle.py"}
    assert percents["app/idle.py"] == "0"
    assert "2 files of which nothing ran while it was measured (app/__init__.py, app/idle.py)." in (
        " ".join(shown(report).split())
    )
    options = ["--source=app", "--omit=app/tests/*", "--data-file=.theirs", "--branch"]
    command = [sys.executable, "-m", "coverage", "run", *options, "script.py"]
    subprocess.run(command, cwd=place.target, check=True, capture_output=True)
    with reading(place.target / ".theirs") as database:
        theirs = {
            os.path.relpath(row[0], place.target)
            for row in database.execute("select path from file")
        }
    assert theirs == percents.keys()


@pytest.mark.parametrize("setting", ["run:source", "run:source_pkgs"])
def test_packages_are_found_without_importing_them(place: Place, setting: str) -> None:
    """A package is found by where it ran, and not by a folder of its name above it."""
    # GIVEN a package that is installed below a folder of the same name, and would fail if imported
    ran = place.add("shop/lib/shop/main.py")
    for name in ("shop/lib/shop/__init__.py", "shop/lib/shop/idle.py", "shop/other.py"):
        place.add(name, "raise SystemExit")

    # WHEN its files are looked for, from a folder where no such folder is
    found = source_files.never_ran({setting: ["shop"]}, place.user, [ran])

    # THEN those of the package are found
    inside = place.target / "shop" / "lib" / "shop"
    assert found == {str(inside / "__init__.py"), str(inside / "idle.py")}


def test_relative_files_stay_relative(place: Place) -> None:
    """With relative_files names start in the target's folder, and sources are found there."""
    # GIVEN a target with that setting
    for name in ("app/__init__.py", "app/main.py", "app/idle.py"):
        place.add(name)
    settings: dict[str, Any] = {"run__source": ["app"], "run__relative_files": True}
    place.dump({"app/main.py": ARCS}, **settings)

    # WHEN a report is made from another folder
    report = place.render("xml", **settings)

    # THEN all files are found, and no warning is needed
    assert [row.name for row in report.rows] == ["app/__init__.py", "app/idle.py", "app/main.py"]
    assert report.warnings == []


def test_without_a_folder_the_report_goes_on(place: Place) -> None:
    """A current directory of the target's that is gone costs the short names, nothing else."""
    # GIVEN a file that ran
    name = place.add("app.py")
    place.dump({name: ARCS})

    # WHEN the target's folder is not there
    gone = place.target / "gone"
    report = render.render(place.data_file, html=None, formats={"xml"}, settings={}, cwd=gone)

    # THEN the report has its whole name
    assert [row.name for row in report.rows] == [name]
    assert source_files.never_ran({"run:source": ["app"]}, gone, [name]) == set()


def test_settings_for_reports_hold(place: Place) -> None:
    """Lines left out by the configuration are left out; settings for measuring do nothing here."""
    # GIVEN a file that ran, and settings of both kinds
    place.dump({place.add("app.py"): ARCS})
    settings: dict[str, Any] = {
        "report__exclude_also": ["return 2"],
        "report__precision": 2,
        "run__data_file": "/nowhere/.coverage",
        "run__debug": ["sys"],
        "run__parallel": True,
        "report__fail_under": 100.0,
    }

    # WHEN a report is made
    report = place.render("text", **settings)

    # THEN one statement less is there
    assert report.statements == 4
    assert report.total.shown.count("0") >= 2
    assert report.total.shown[-3] == "."


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"html__extra_css": "/nowhere/style.css"}, "/nowhere/style.css"),
        ({"report__nonsense": 1}, "No such option: 'report:nonsense'"),
        ({"report__precision": -1}, "precision=-1 is invalid"),
        ({"run__plugins": ["nowhere"]}, "No module named 'nowhere'"),
    ],
)
def test_what_a_reporter_says_is_told(place: Place, settings: dict[str, Any], said: str) -> None:
    """Where a report cannot be made, the reporter's own message is shown, with a remedy."""
    # GIVEN a setting that a reporter cannot work with
    place.dump({place.add("app.py"): ARCS})

    # WHEN a report is made / THEN it fails in the reporter's words; the traceback is for `-v`
    with pytest.raises(ReportFailed) as caught:
        place.render(html=True, **settings)
    assert said in caught.value.message
    assert "\n" not in caught.value.message
    assert "coverage report" in caught.value.remedy
    assert "Traceback" in caught.value.details


def test_what_was_made_before_a_failure_is_ours(place: Place) -> None:
    """Where one report fails, those made before it can be replaced by the next dump."""
    # GIVEN a text report that fails after others were made
    place.dump({place.add("app.py"): ARCS})
    with pytest.raises(ReportFailed, match="The text report cannot be made"):
        place.render(*ALL, report__sort="nonsense")
    assert (place.user / "coverage.xml").exists()
    assert not (place.user / "coverage.txt").exists()

    # WHEN they are made again / THEN none is refused
    assert len(place.render(*ALL).outputs) == len(ALL)


def test_a_setting_that_fits_no_file_is_told(place: Place) -> None:
    """A pattern that is none fails for each file: all are named, with the reason."""
    # GIVEN a pattern that is no regular expression
    place.dump({place.add("app.py"): ARCS})

    # WHEN a report is made / THEN it says why there is nothing in it
    report = place.render(report__exclude_lines=["("])
    assert report.warnings[0] == NOTHING_LEFT
    assert "app.py" in report.warnings[1]
    assert "unterminated subpattern" in report.warnings[1]


@pytest.mark.parametrize("content", [b"", b"nonsense", b"SQLite format 3\0" + bytes(100)])
def test_a_damaged_data_file_is_told(place: Place, content: bytes) -> None:
    """A data file that cannot be read is a failure in one sentence."""
    # GIVEN no data file, or a damaged one
    if content:
        place.data_file.write_bytes(content)

    # WHEN a report is made / THEN it fails
    with pytest.raises(ReportFailed):
        place.render("xml")
    assert not (place.user / "coverage.xml").exists()


@pytest.mark.parametrize("notes", ["", "{}", "[]", "null"])
def test_damaged_notes_of_the_html_report_do_no_harm(place: Place, notes: str) -> None:
    """Damaged notes of coverage's in the HTML folder do not prevent the report."""
    # GIVEN a report whose notes are damaged
    place.dump({place.add("app.py"): ARCS})
    place.render(html=True)
    (place.user / "htmlcov" / "status.json").write_text(notes, encoding="utf-8")

    # WHEN the next is made / THEN it is there
    report = place.render(html=True)
    assert report.html
    assert "app_py.html" in report.html.read_text(encoding="utf-8")


def test_the_user_stays_where_he_is(place: Place) -> None:
    """The current directory is the user's again, also after a failure."""
    # GIVEN a data file
    place.dump({})

    # WHEN a report fails / THEN we are where we were
    with pytest.raises(ReportFailed):
        place.render("xml", report__nonsense=1)
    assert Path.cwd() == place.user


def many(place: Place) -> Report:
    """Return a report of twenty files, of which the later have run more, and one not at all."""
    files: dict[str, Any] = {
        place.add(f"pkg/{n:02}.py", "a = 1\n" * 30): set(range(1, n + 1)) for n in range(20)
    }
    place.dump(files, "lines")
    return place.render()


def test_the_table_is_short(place: Place) -> None:
    """The table shows the files in which most has run, by name, and tells of the others."""
    # GIVEN twenty files
    report = many(place)

    # WHEN three rows are asked for
    printed = shown(report, rows=3).splitlines()

    # THEN these are the three, and the total is of all
    assert [line.split()[0] for line in printed[:5]] == [
        *("Name", "pkg/17.py", "pkg/18.py", "pkg/19.py", "TOTAL")
    ]
    assert printed[4].split()[1:] == ["600", "410", "32%", "-"]
    assert " ".join(" ".join(printed[5:]).split()) == (
        "Not in the table, but in TOTAL: 16 more files that ran. Not in the table, but in TOTAL:"
        " 1 file of which nothing ran while it was measured (pkg/00.py)."
    )


@pytest.mark.parametrize("width", [30, 40, 80, 200])
def test_the_table_fits(place: Place, width: int) -> None:
    """On any terminal the table keeps to its width, and long paths keep both their ends."""
    # GIVEN a file with a long path, and one with wide letters
    long = "first/" + "deep/" * 30 + "last.py"
    place.dump({place.add(long): ARCS, place.add("幅" * 60 + ".py"): ARCS})

    # WHEN the table is shown
    printed = shown(place.render(), width=width)

    # THEN it fits, and the end of the name is there
    console = Console(width=width)
    assert all(console.measure(line).maximum <= width for line in printed.splitlines())
    if width >= 80:
        assert "first/" in printed
        assert "/last.py" in printed
        assert "100%" not in printed


@pytest.mark.parametrize("width", range(1, 20))
def test_names_are_cut_in_the_middle(width: int) -> None:
    """A name is cut to the width, with its ends, where there is room for any."""
    # GIVEN a name / WHEN it is cut
    short = summary_table.shorten("src/package/module.py", width)

    # THEN it has that width, and as much of both ends
    assert len(short) == width
    head, _, tail = short.partition("…")
    assert "src/package/module.py".startswith(head)
    assert "src/package/module.py".endswith(tail)


def test_nothing_heavy_is_imported_early() -> None:
    """The command line starts fast: coverage and rich are imported when a report is made."""
    # GIVEN a new interpreter / WHEN our modules are imported
    code = (
        "import sys; from covattach.snapshot import snapshot\n"
        "from covattach.reports import datafile, render, summary_table\n"
        "print([name for name in ('coverage', 'rich') if name in sys.modules])"
    )
    root = Path(render.__file__).parents[1]
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)

    # THEN neither is there
    assert done.stdout == "[]\n"
