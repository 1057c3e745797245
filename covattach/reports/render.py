"""Reports from a data file, made here by coverage's own reporters, never in the target.

    render(data_file, html=, formats=, settings=, cwd=) -> results.Report
    Outputs(…).ensure_ours()      BadUsage for a file in the way, before anything is done
    summary_table.show(…)         the short table for the terminal

`html` is the folder of the HTML report, or None; "html" in `formats` alone means the folder that
coverage would take.  `formats` are names of destinations.FORMATS.  `settings` are coverage's, by
the names that `Coverage.set_option` takes; of those for measuring (`run:…`) only the ones that
reports look at are used.  `cwd` is the target's current directory, which relative patterns in the
settings start from, and names in reports are relative to.  Reports go to *our* current directory.

coverage is imported when a report is made, not with this module.
"""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from covattach.errors import ReportFailed
from covattach.files.private_folder import private_folder
from covattach.reports import (
    datafile,
    destinations,
    empty_reports,
    loaded_texts,
    source_files,
    work_limits,
)
from covattach.reports import formats as formats_of
from covattach.reports.around import collecting_seldom, failing_well
from covattach.reports.atomic_file import PREFIX, Destination
from covattach.reports.datafile_copy import Copy, copied
from covattach.reports.datafile_note import counted
from covattach.reports.html_folder import HtmlFolder
from covattach.reports.import_time import counting
from covattach.reports.import_time.line_status import LineStatus
from covattach.reports.results import Report, to_row
from covattach.snapshot.imported_modules import from_note

if TYPE_CHECKING:
    from covattach.reports.reporting_coverage import ReportingCoverage

PLAIN = "The HTML report of coverage {} is another one: it does not mark what ran at import."
NOTHING_RAN = "Nothing that is measured has run yet."
NOT_IN_CONTEXTS = "Nothing that is in the report has run in these windows."
NOTHING_LEFT = "Nothing that has run is in the report: it is left out, or cannot be read."


def render(
    data_file: Path,
    *,
    html: Path | None,
    formats: set[str],
    settings: dict[str, Any],
    cwd: Path,
    made: Path | None = None,
    imports: str = counting.MISSING,
) -> Report:
    """Make the reports of a data file in these formats, and return their figures.

    `made` is a private copy of the data file to read in place of the one at `data_file`.  `imports`
    says how single-file reports count lines that ran at import, one of counting.WAYS.  Raises
    BadUsage for files that are not ours to overwrite.  Raises ReportFailed, with the reporter's own
    message, if a report cannot be made.  Report.warnings has the faults of sources.
    """
    data_file = Path(os.path.abspath(data_file))
    where = destinations.places(html, formats, settings)
    destinations.ensure_outputs(where, data_file)
    with copied(data_file) if made is None else contextlib.nullcontext(Copy(made)) as copy:
        if copy is None:
            raise ReportFailed(
                f"There is no data file {data_file}.", "Make one: covattach dump PID."
            )
        with destinations.held(where) as held:
            digests: dict[Path, str] = {}
            try:
                with reporting(copy, cwd):
                    recorder = recorder_of(copy, settings)
                    recorder.imports = imports
                    make_all(recorder, held, digests)
                    return summary(recorder, data_file, where)
            finally:  # if one fails, those made before are still remembered as covattach's
                datafile.remember(data_file, copy, digests)


@contextlib.contextmanager
def reporting(copy: Copy, cwd: Path) -> Iterator[None]:
    """Run the body in `cwd`, within limits of time and memory; its errors become ReportFailed."""
    with (
        work_limits.limited_to("The report", *counted(copy.path)),
        source_files.inside(cwd),
        warnings.catch_warnings(),
        collecting_seldom(),
        failing_well("The data cannot be read"),
    ):
        warnings.simplefilter("ignore")  # Python's on the sources are for their authors
        yield


def recorder_of(copy: Copy, settings: dict[str, Any]) -> ReportingCoverage:
    """Return a ReportingCoverage for the data file `copy`; raises coverage's errors."""
    from covattach.reports.reporting_coverage import ReportingCoverage

    loads, known = from_note(copy.part("loads")), loaded_texts.from_note(copy.part("texts"))
    return ReportingCoverage(copy.path, settings, loads, known)


def make_all(
    recorder: ReportingCoverage, held: dict[str, Destination | HtmlFolder], digests: dict[Path, str]
) -> None:
    """Make the reports in `held`, by format; note the digests of single-file ones in `digests`.

    Without any, only the figures are collected.  Raises ReportFailed.
    """
    for kind, place in held.items():
        with failing_well(f"The {kind} report cannot be made"):
            if isinstance(place, HtmlFolder):
                make_html(recorder, place)
            else:
                digests[place.path] = make(recorder, kind, place)
    if not held:
        survey(recorder)


def make(recorder: ReportingCoverage, kind: str, place: Destination) -> str:
    """Make the single-file report `kind` at `place`; return its SHA-256 digest, in hex.

    Raises ReportFailed and coverage's errors.
    """
    from coverage.exceptions import NoDataError

    with place.replaced() as made:
        try:
            formats_of.make_file(recorder, kind, made)
        except NoDataError:
            made.write_text(empty_reports.text(kind, why_nothing(recorder)), encoding="utf-8")
        return datafile.digest_of_file(made)


def make_html(recorder: ReportingCoverage, folder: HtmlFolder) -> None:
    """Make the HTML report in a private folder, and put it into `folder`.

    Raises ReportFailed, BadUsage and coverage's errors.
    """
    from coverage.exceptions import NoDataError

    with private_folder(PREFIX, folder.path.parent) as private:
        folder.lend(private)
        recorder.for_html = True
        try:
            make_pages(recorder, private)
        except NoDataError:
            empty_reports.write_page(private, why_nothing(recorder))
        finally:
            recorder.for_html = False
        folder.take(private)


def write_pages(recorder: ReportingCoverage, folder: Path) -> None:
    """Write the HTML report into `folder`, without marks if coverage's templates are unknown.

    Raises coverage's errors.
    """
    from coverage import __version__

    from covattach.reports.html_templates import OtherTemplate

    try:
        from covattach.reports import html_pages

        html_pages.make(recorder, folder)
    except (ImportError, OtherTemplate):
        recorder._warn(PLAIN.format(__version__))
        recorder.html_report(directory=os.fspath(folder))


def make_pages(recorder: ReportingCoverage, folder: Path) -> None:
    """Have coverage write the HTML report into `folder`, without pages that are up to date.

    Its notes in status.json say which these are.
    """
    notes = folder / "status.json"
    if recorder.get_option("html:show_contexts"):
        notes.unlink(missing_ok=True)  # they cover a page's lines, but not its contexts
    try:
        write_pages(recorder, folder)
    except (LookupError, TypeError, AttributeError, RecursionError):
        if not notes.exists():
            raise
        # The notes are not such as coverage writes: without them it makes all pages.
        notes.unlink()
        write_pages(recorder, folder)


def survey(recorder: ReportingCoverage) -> None:
    """Collect the figures of all files without making a report; raises coverage's errors."""
    from coverage.exceptions import NoDataError

    with contextlib.suppress(NoDataError):
        recorder.report(file=io.StringIO(), output_format="total")


def why_nothing(recorder: ReportingCoverage) -> str:
    """Return a sentence that says why a report has no files."""
    if not recorder.ran():
        return NOTHING_RAN
    return NOT_IN_CONTEXTS if recorder.get_option("report:contexts") else NOTHING_LEFT


def summary(recorder: ReportingCoverage, data_file: Path, where: dict[str, Path]) -> Report:
    """Return the figures and warnings that `recorder` has collected, and the reports' paths.

    `where` has these paths, by format.
    """
    from coverage.results import Numbers

    found = sorted(recorder.numbers.values(), key=lambda entry: entry[0])
    total = sum((numbers for _, numbers in found), Numbers(recorder.precision))
    row = to_row("TOTAL", total, list(recorder.known.values()))
    said = recorder.warnings()
    if not row.executed:
        said.insert(0, why_nothing(recorder))
    return Report(
        data_file=data_file,
        rows=[
            to_row(name, numbers, [recorder.known.get(name, LineStatus())])
            for name, numbers in found
        ],
        total=row,
        branch=recorder.get_data().has_arcs(),
        html=where["html"] / "index.html" if "html" in where else None,
        outputs={kind: place for kind, place in where.items() if kind != "html"},
        warnings=said,
    )
