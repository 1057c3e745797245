"""Reports from a data file, made here by coverage's own reporters, never in the target.

    render(data_file, html=, formats=, settings=, cwd=) -> figures.Report
    outputs.ensure_ours(...)      BadUsage for what is in the way, before anything is done
    table.show(report, console)   the short table for the terminal

`html` is the folder of the HTML report, or None; "html" in `formats` alone means the folder that
coverage would take.  `formats` are names of outputs.FORMATS.  `settings` are coverage's, by the
names that `Coverage.set_option` takes; of those for measuring (`run:…`) only the ones that
reports look at are used.  `cwd` is the target's current directory, which relative patterns in the
settings start from, and names in reports are relative to.  Reports go to *our* current directory.
When the session began is in the data file (covattach.reports.datafile.write, `origin["since"]`).

coverage is imported when a report is made, not with this module.
"""

from __future__ import annotations

import contextlib
import gc
import io
import os
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from covattach.errors import CovattachError, ReportFailed
from covattach.facts import printable
from covattach.reports import datafile, nothing, outputs, sources
from covattach.reports.figures import Report, to_row
from covattach.reports.lines import Known
from covattach.reports.replacing import replacing

if TYPE_CHECKING:
    from covattach.reports.recorder import Recorder

PLAIN = "The HTML report of coverage {} is another one: it does not mark what ran at import."
SELDOM = 100_000  # objects to be made between two looks for garbage; Python's own number is 700
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
) -> Report:
    """Make the reports asked for, and return what they say.

    Raises BadUsage for what is not ours to write over, and ReportFailed, with the reporter's own
    message, for what cannot be made.  What is wrong with single files is in Report.warnings.
    """
    data_file = Path(os.path.abspath(data_file))
    where = outputs.places(html, formats, settings)
    outputs.ensure_outputs(where, data_file)
    if not data_file.is_file():
        raise ReportFailed(f"There is no data file {data_file}.", "Make one: covattach dump PID.")
    since = datafile.origin(data_file).get("since")
    with (
        sources.inside(cwd),
        warnings.catch_warnings(),
        collecting_seldom(),
        failing_well("The data cannot be read"),
    ):
        warnings.simplefilter("ignore")  # Python's own on the sources: their authors' business
        from covattach.reports.recorder import Recorder

        began = since if isinstance(since, int | float) else None
        recorder = Recorder(data_file, settings, began, datafile.loads(data_file))
        make_all(recorder, data_file, where)
        return summary(recorder, data_file, where)


@contextlib.contextmanager
def collecting_seldom() -> Iterator[None]:
    """Look for garbage less often: reports are made of very many objects, few of them in cycles.

    It saves a quarter of the time (1.37 s of CPU instead of 1.80 for 60 files), and takes no more
    memory.
    """
    usual = gc.get_threshold()
    gc.set_threshold(SELDOM, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def make_all(recorder: Recorder, data_file: Path, where: dict[str, Path]) -> None:
    """Make the reports, and have the data file remember those that are made, also if one fails."""
    made = []
    try:
        for kind, place in where.items():
            with failing_well(f"The {kind} report cannot be made"):
                make(recorder, kind, place)
            made.append(place)
        if not where:
            survey(recorder)
    finally:
        datafile.remember(data_file, [place for place in made if place.is_file()])


@contextlib.contextmanager
def failing_well(what: str) -> Iterator[None]:
    """Turn whatever a reporter raises into ReportFailed, with the sentence that begins `what`."""
    try:
        yield
    except CovattachError:
        raise
    except Exception as error:
        known = type(error).__module__.startswith("coverage")
        reason = str(error).rstrip(".") if known else f"{type(error).__name__}: {error}"
        raise ReportFailed(
            f"{what}: {printable(reason)}.",
            "The data file is complete: `coverage report` and other tools can be tried on it.",
            details=traceback.format_exc(),
        ) from error


def make(recorder: Recorder, kind: str, place: Path) -> None:
    """Make one report; raises ReportFailed and what coverage raises."""
    from coverage.exceptions import NoDataError

    if kind == "html":
        return make_html(recorder, place)
    with replacing(place, outputs.remedy_for(place)) as beside:
        try:
            make_file(recorder, kind, beside)
        except NoDataError:
            beside.write_text(nothing.text(kind, why_nothing(recorder)), encoding="utf-8")


def make_file(recorder: Recorder, kind: str, path: Path) -> None:
    """Have coverage write a report that is a single file; raises what coverage raises."""
    if kind == "xml":
        recorder.xml_report(outfile=os.fspath(path))
    elif kind == "json":
        recorder.json_report(outfile=os.fspath(path))
    elif kind == "lcov":
        recorder.lcov_report(outfile=os.fspath(path))
    else:
        with open(path, "w", encoding="utf-8") as file:
            recorder.report(file=file, output_format=kind)


def make_html(recorder: Recorder, folder: Path) -> None:
    """Make the HTML report in a folder of ours; raises ReportFailed and what coverage raises."""
    from coverage.exceptions import NoDataError

    outputs.mark_folder(folder)
    recorder.for_html = True
    try:
        make_pages(recorder, folder)
    except NoDataError:
        nothing.write_page(folder, why_nothing(recorder))
    finally:
        recorder.for_html = False


def write_pages(recorder: Recorder, folder: Path) -> None:
    """Write the HTML report, a plain one if need be; raises what coverage raises."""
    from coverage import __version__

    from covattach.reports.templates import OtherTemplate

    try:
        from covattach.reports import pages

        pages.make(recorder, folder)
    except (ImportError, OtherTemplate):
        recorder._warn(PLAIN.format(__version__))
        recorder.html_report(directory=os.fspath(folder))


def make_pages(recorder: Recorder, folder: Path) -> None:
    """Have coverage write the HTML report, leaving out pages that are up to date by its notes."""
    notes = folder / "status.json"
    if recorder.get_option("html:show_contexts"):
        notes.unlink(missing_ok=True)  # they know of a page's lines, but not of its contexts
    try:
        write_pages(recorder, folder)
    except (LookupError, TypeError, AttributeError):
        if not notes.exists():
            raise
        # The notes are JSON, and not what coverage has written: without them it starts anew.
        notes.unlink()
        write_pages(recorder, folder)
    except BaseException:
        notes.unlink(missing_ok=True)  # some pages are newer now than they say
        raise


def survey(recorder: Recorder) -> None:
    """Go through all files without making a report; raises what coverage raises."""
    from coverage.exceptions import NoDataError

    with contextlib.suppress(NoDataError):
        recorder.report(file=io.StringIO(), output_format="total")


def why_nothing(recorder: Recorder) -> str:
    """Return the sentence for a report without files."""
    if not recorder.ran():
        return NOTHING_RAN
    return NOT_IN_CONTEXTS if recorder.get_option("report:contexts") else NOTHING_LEFT


def summary(recorder: Recorder, data_file: Path, where: dict[str, Path]) -> Report:
    """Return what the reports that were made say."""
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
            to_row(name, numbers, [recorder.known.get(name, Known())]) for name, numbers in found
        ],
        total=row,
        branch=recorder.get_data().has_arcs(),
        html=where["html"] / "index.html" if "html" in where else None,
        outputs={kind: place for kind, place in where.items() if kind != "html"},
        warnings=said,
    )
