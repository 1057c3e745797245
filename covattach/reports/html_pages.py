"""The HTML report: coverage's own pages, with the lines that ran at import marked.

    make(recorder, folder)      write the report

coverage's reporter does all of it; it is told of more kinds of lines, and given templates
with more in them.  If this version of coverage has other templates, or another reporter, nothing
is written.  Then importing this module raises ImportError, or `make` raises OtherTemplate.
"""

from __future__ import annotations

import functools
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coverage.html import HtmlDataGeneration, HtmlReporter
from coverage.results import Numbers
from coverage.templite import Templite

from covattach.budget import TooMuch, limited
from covattach.reports import html_templates, work_limits
from covattach.reports.import_time.line_status import LineStatus
from covattach.reports.results import Row, to_row

if TYPE_CHECKING:
    from coverage.html import FileData, FileToReport
    from coverage.plugin import FileReporter
    from coverage.results import Analysis

    from covattach.reports.reporting_coverage import ReportingCoverage

# Names of kinds of lines, as coverage has them (coverage/html.py), to classes of a line.  Those
# that end in 2 are for the further lines of a statement.
KINDS = {
    "imp": "imp show_imp",
    "imp2": "imp imp2 show_imp",
    "may": "may show_may",
    "may2": "may imp2 show_may",
}
NO_FOLDER = "htmlcov"
FIELDS = ("at_import", "undecided", "never_seen", "in_functions", "ran_in_functions")


def make(recorder: ReportingCoverage, folder: Path) -> None:
    """Write the HTML report into a folder.

    Raises templates.OtherTemplate before anything is written, and coverage's errors.
    """
    recorder._prepare_data_for_reporting()
    try:
        recorder.config.html_dir = os.fspath(folder)
        reporter = MarkingReporter(recorder)
        # It is another folder each time, and would make coverage's notes worth nothing.
        recorder.config.html_dir = NO_FOLDER
        kept_open = recorder.get_data().keep_db_open
    except (AttributeError, LookupError, TypeError) as error:
        raise html_templates.OtherTemplate(repr(error)) from error
    with kept_open():
        reporter.report(None)


class MarkingReporter(HtmlReporter):
    """coverage's reporter, with templates that show more."""

    def __init__(self, recorder: ReportingCoverage) -> None:
        """Make the templates; raises templates.OtherTemplate, or anything in a future coverage."""
        super().__init__(recorder)
        self.recorder = recorder
        self.datagen = MarkingData(recorder)
        kinds: Any = self.template_globals["category"]
        kinds.update(KINDS)
        for field in (*FIELDS, "functions_shown"):
            self.template_globals[field] = functools.partial(self.field, field)
        self.template_globals["is_file"] = lambda noun: noun == "file"
        # A page is left as it is if its source, its data and the template are the same.
        page = html_templates.page(self.pyfile_html_source)
        self.pyfile_html_source = f"{page}{{# {self.digest()} #}}"
        self.source_tmpl = Templite(self.pyfile_html_source, self.template_globals)
        self.index_tmpl = Templite(html_templates.index(index_source()), self.template_globals)

    def write_html_page(self, ftr: FileToReport) -> None:
        """Write the page of a file, unless that takes too much."""
        size = work_limits.size_of(ftr.fr.filename)
        try:
            with limited(
                f"The page of {ftr.fr.filename}", work_limits.PAGE * size, work_limits.TREE * size
            ):
                super().write_html_page(ftr)
        except TooMuch:
            self.recorder.given_up.add(ftr.fr.filename)

    def digest(self) -> str:
        """Return a digest of the pages' inputs that coverage does not look at."""
        names = sorted(self.recorder.get_data().measured_files())
        self.recorder.fit(set(names))  # it finds the sources that have changed
        depends: list[Any] = [
            (name, sorted(map(repr, self.recorder.loads.of(name))), name in self.recorder.changed)
            for name in names
        ]
        return hashlib.sha256(repr(depends).encode(errors="replace")).hexdigest()

    def field(self, field: str, what: Any) -> Any:
        """Return `field` of the Row of `what`: a page's file, a line of the index, or the total."""
        row = what if isinstance(what, Row) else self.row(what)
        return getattr(row, field)

    def row(self, what: Any) -> Row:
        """Return the Row of `what`, which is a line of the index or the total of all files."""
        known = self.recorder.known
        if isinstance(what, Numbers):
            return to_row("TOTAL", what, known.values())
        return to_row(what.file, what.nums, [known.get(what.file, LineStatus())])


def index_source() -> str:
    """Return coverage's template of an index."""
    from coverage.html import read_data

    return read_data("index.html")


class MarkingData(HtmlDataGeneration):
    """The data of pages, with more kinds of lines."""

    def __init__(self, recorder: ReportingCoverage) -> None:
        super().__init__(recorder)
        self.recorder = recorder

    def data_for_file(self, fr: FileReporter, analysis: Analysis) -> FileData:
        """Return the data of a file's page."""
        data = super().data_for_file(fr, analysis)
        name = fr.relative_filename()
        known = self.recorder.known.get(name, LineStatus())
        first_lines: dict[int, int] = getattr(fr, "multiline_map", dict)()
        for line in data.lines:
            if line.category in ("mis", "mis2"):
                first = first_lines.get(line.number, line.number)
                kind = "imp" if first in known.at_import else "may"
                if first in known.at_import or first in known.undecided:
                    line.category = kind + line.category.removeprefix("mis")
        vars(data)["row"] = to_row(name, analysis.numbers, [known])
        return data
