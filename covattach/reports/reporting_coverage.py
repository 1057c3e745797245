"""coverage's own Coverage class, extended to keep the figures that its reporters compute.

Its reporters go through all files and keep the numbers to themselves.  Asking once more for each
report would double the time of a report.  So the two methods that every reporter calls are extended
here.  This module imports coverage: import it where a report is made, not before.
"""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coverage import Coverage
from coverage.exceptions import NoSource, NotPython

from covattach.budget import BUDGET, TooMuch, limited
from covattach.reports import work_limits
from covattach.reports.import_time import counting, line_status
from covattach.reports.loaded_texts import LIKELY, PERHAPS, Text
from covattach.reports.source_files import examine, listed
from covattach.reports.text_fit import fits
from covattach.snapshot.imported_modules import ImportedModule, ImportedModules
from covattach.untrusted import printable

if TYPE_CHECKING:
    from coverage.plugin import FileReporter
    from coverage.results import Analysis, Numbers
    from coverage.types import TMorf, TMorfs

# Of the settings for measuring only these matter for reports; others would act on our process.
RUN_SETTINGS = {"run:relative_files", "run:source", "run:plugins", "run:disable_warnings"}
LONGEST_PAGE = 255 - len("z_0123456789abcdef_") - len(".html")  # bytes of a source file's name
NO_FILE = ".coverage"
NAMED = 10  # so many files are named in one warning


class ReportingCoverage(Coverage):
    """A Coverage object for reports on the data file `data_file`.

    `settings` are names and values for `set_option`.  `loads` are the modules imported before the
    attach, and `texts` the states of the sources.  While reports are made, two mappings grow.
    `numbers` maps the name of a file in the data to its name in reports and its numbers
    (coverage.results.Numbers).  `known` maps its name in reports to its LineStatus.
    """

    def __init__(
        self,
        data_file: Path,
        settings: dict[str, Any],
        loads: ImportedModules,
        texts: dict[str, Text],
    ) -> None:
        """Load the data; raises coverage's errors for bad data and bad settings."""
        self.loads = loads
        self.texts = texts
        self.known: dict[str, line_status.LineStatus] = {}
        self.for_html = False
        self.imports = counting.MISSING
        self.numbers: dict[str, tuple[str, Numbers]] = {}
        self.unreadable: set[str] = set()
        self.changed: set[str] = set()
        self.unparsable: dict[str, str] = {}
        self.unpaged: set[str] = set()
        self.given_up: set[str] = set()
        self.warned: list[str] = []
        super().__init__(data_file=data_file, config_file=False, messages=False)
        self.configure(settings)
        self.load()
        self.config.data_file = NO_FILE  # in coverage's notes, a new name each time would matter

    def configure(self, settings: dict[str, Any]) -> None:
        """Apply the settings for reports; raises coverage's ConfigError."""
        ordered = sorted(settings.items(), key=lambda item: item[0] != "run:plugins")
        for name, value in ordered:
            if not name.startswith("run:") or name in RUN_SETTINGS:
                self.set_option(name, listed(value) if name == "run:source" else value)
        # coverage itself joins these only when it reads a configuration file.
        for full, more in (
            ("report:exclude_lines", "report:exclude_also"),
            ("report:partial_branches", "report:partial_also"),
        ):
            self.set_option(full, [*listed(self.get_option(full)), *listed(self.get_option(more))])
        self.set_option("report:ignore_errors", True)

    def _get_file_reporters(self, morfs: TMorfs = None) -> list[tuple[FileReporter, TMorf]]:
        """Return file reporters for those measured files that it is safe to report.

        `morfs`, the files that coverage asks for, is ignored: it means all of them.
        """
        names = self.fit(self.get_data().measured_files())
        return super()._get_file_reporters(names) if names else []

    def fit(self, names: set[str]) -> list[str]:
        """Return, sorted, those of `names` that can be reported; note why the others cannot.

        coverage would fail for all files at the first that has a fault.
        """
        found = examine(names, self.texts)
        self.unreadable.update(found.unreadable)
        self.changed.update(found.changed)
        plugins = listed(self.get_option("run:plugins"))
        for name in names:
            tracer = self.get_data().file_tracer(name)
            if tracer and tracer.rpartition(".")[0] not in plugins:
                self.unparsable[name] = f"needs the plugin {tracer}"
        fit = names - self.unreadable - set(self.unparsable)
        if self.for_html:
            long = {name for name in fit if len(os.fsencode(os.path.basename(name))) > LONGEST_PAGE}
            self.unpaged |= long
            fit -= long
        return sorted(fit)

    def _analyze(self, morf: TMorf, file_reporter: FileReporter | None = None) -> Analysis:
        """Analyze one file, with limits of time and memory; note its numbers, or its fault.

        `morf` is coverage's term for a module or file.  Raises coverage's errors, TooMuch.
        """
        if str(morf) in self.given_up:
            raise NoSource(f"{morf} takes too much time or memory")
        size = work_limits.size_of(str(morf))
        try:
            with limited(
                f"The source {morf}", work_limits.ANALYSIS * size, work_limits.TREE * size
            ):
                analysis = self._analyze_within(morf, file_reporter)
        except Exception as error:
            self.note_fault(str(morf), error, file_reporter)
            raise
        # Reports go on with it: the pages that list functions parse it once more.
        BUDGET.earn(work_limits.ANALYSIS * size, work_limits.TREE * size)
        return analysis

    def _analyze_within(self, morf: TMorf, file_reporter: FileReporter | None) -> Analysis:
        """Analyze one file, and note its numbers and its LineStatus; raises coverage's errors.

        For other reports than HTML, lines that ran at import are counted as `imports` says.
        """
        name = file_reporter.relative_filename() if file_reporter else str(morf)
        # coverage drops the syntax tree while it analyzes.
        tree = None if name in self.known else line_status.syntax(file_reporter)
        analysis = super()._analyze(morf, file_reporter)
        if file_reporter and tree:
            loads = self.loads.of(str(morf))
            is_it = self.is_loaded_text(str(morf), file_reporter, tree, loads)
            self.known[name] = line_status.examine(file_reporter, analysis, tree, loads, not is_it)
        self.numbers[str(morf)] = name, analysis.numbers
        if self.for_html or name not in self.known:
            return analysis
        return counting.counted(analysis, self.known[name].at_import, self.imports)

    def is_loaded_text(
        self,
        name: str,
        file_reporter: FileReporter,
        tree: ast.Module,
        loads: Iterable[ImportedModule],
    ) -> bool:
        """Tell whether the source `name` is the text that the modules `loads` were made of.

        If it surely is not, note it in `changed`.  `tree` is its syntax tree.
        """
        text = self.texts.get(name)
        if name in self.changed or text is None or text.state not in (LIKELY, PERHAPS):
            return name not in self.changed
        ran = set(self.get_data().lines(name) or ())
        is_it = fits(tree, file_reporter.source(), loads, ran)
        if is_it is False or (is_it is None and text.state == PERHAPS and ran):
            self.changed.add(name)
        # No warning on a source in which nothing ran, and whose module proves nothing.
        return bool(is_it) or (is_it is None and text.state == LIKELY)

    def note_fault(self, name: str, error: Exception, file_reporter: FileReporter | None) -> None:
        """Note why the file `name` is missing in the reports: its analysis raised `error`."""
        if isinstance(error, TooMuch):
            self.given_up.add(name)
        elif name in self.given_up:
            return  # by an earlier report of these
        elif isinstance(error, NoSource | OSError):
            self.unreadable.add(name)
        elif not isinstance(error, NotPython):
            self.unparsable[name] = f"{type(error).__name__}: {error}"
        elif getattr(file_reporter, "should_be_python", lambda: True)():
            # Templates and the like are compiled to code that bears their name: coverage leaves
            # them out without a word.
            self.unparsable[name] = str(error).partition("as Python source: ")[2]

    def _warn(self, msg: str, slug: str | None = None, once: bool = False) -> None:
        """Keep a warning of coverage's; `warnings` has its own sentence on unparsable files."""
        if slug != "couldnt-parse" and msg not in self.warned:
            self.warned.append(msg)

    @property
    def precision(self) -> int:
        """The number of digits after the point in percentages."""
        return self.config.precision

    def ran(self) -> bool:
        """Tell whether any line in the data has run, also of files that are not in the report."""
        data = self.get_data()
        data.set_query_contexts(None)
        return any(data.lines(name) for name in data.measured_files())

    def unmatched(self) -> list[str]:
        """Return the patterns in the setting "report:contexts" that match no context."""
        there = self.get_data().measured_contexts()
        asked = listed(self.get_option("report:contexts"))
        return [one for one in asked if not any(re.search(one, context) for context in there)]

    def warnings(self) -> list[str]:
        """Return a sentence for everything that a reader of the reports should know."""
        python = f"Python {sys.version_info.major}.{sys.version_info.minor}"
        unparsable = [f"{name} ({reason})" for name, reason in sorted(self.unparsable.items())]
        found = {
            "Not in the report, because they cannot be read": sorted(self.unreadable),
            f"Not in the report, because the {python} of covattach cannot parse them": unparsable,
            "Not in the report, because they take far more time or memory than others": sorted(
                self.given_up
            ),
            "Changed since they were loaded, so that lines may be marked wrongly": sorted(
                self.changed & set(self.numbers)
            ),
            "Not in the HTML report, because their names are too long": sorted(self.unpaged),
            "Windows that there are not, though --windows asks for them": self.unmatched(),
        }
        return self.warned + [enumerated(what, names) for what, names in found.items() if names]


def enumerated(what: str, names: list[str]) -> str:
    """Return the sentence "`what`: …." with the first NAMED names, and the number of the others."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{what}: {', '.join(printable(name) for name in names[:NAMED])}{more}."
