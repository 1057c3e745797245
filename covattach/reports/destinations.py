"""Destinations of reports, and the files that may be overwritten.

outputs = Outputs.chosen(…)     from a command's options
outputs.ensure_ours()           raises BadUsage for a file of somebody else; changes nothing
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from covattach.errors import BadUsage
from covattach.reports import datafile
from covattach.reports.atomic_file import Destination
from covattach.reports.datafile_copy import digest_of
from covattach.reports.html_folder import HtmlFolder

# Report format: the coverage setting with its path, and the path if that is not set.  coverage
# only prints `text` and `markdown`: for these the names are covattach's.
FORMATS = {
    "html": ("html:directory", "htmlcov"),
    "xml": ("xml:output", "coverage.xml"),
    "json": ("json:output", "coverage.json"),
    "lcov": ("lcov:output", "coverage.lcov"),
    "text": ("", "coverage.txt"),
    "markdown": ("", "coverage.md"),
}


@dataclass(frozen=True)
class Outputs:
    """The data file and the reports that a command is to write.

    `formats` are keys of FORMATS; `html` is the folder of the HTML report, or None.  `imports` says
    how single-file reports count lines that ran at import, one of import_time.counting.WAYS.
    `contexts` are regular expressions for the windows to report.
    """

    data_file: Path
    html: Path | None = None
    formats: frozenset[str] = frozenset({"html"})
    imports: str = "missing"
    contexts: list[str] | None = None

    @classmethod
    def chosen(
        cls, data_file: str, html: str, no_html: bool, formats: str, imports: str, contexts: Any
    ) -> Outputs:
        """Return the outputs that the options of `dump`, `stop` and `run` ask for.

        `formats` is the value of --format: names with commas between them.
        """
        wanted = {part.strip() for part in formats.split(",") if part.strip()}
        if no_html:
            wanted.discard("html")
        folder = Path(html).absolute() if "html" in wanted else None
        return cls(Path(data_file).absolute(), folder, frozenset(wanted), imports, contexts)

    def ensure_ours(self) -> None:
        """Check that all of this may be written; raises BadUsage for what is not covattach's."""
        ensure_ours(
            data_file=self.data_file, html=self.html, formats=set(self.formats), settings={}
        )


def places(html: Path | None, formats: set[str], settings: dict[str, Any]) -> dict[str, Path]:
    """Return the absolute path of each report, by format; raises BadUsage for an unknown format.

    `html` is the folder of an HTML report; None: the one in coverage's `settings`, if asked for.
    """
    if unknown := formats - set(FORMATS):
        raise BadUsage(
            f"There is no report format {min(unknown)!r}.", f"Choose from: {', '.join(FORMATS)}."
        )
    found = {
        kind: Path(os.path.abspath(settings.get(setting) or default))
        for kind, (setting, default) in FORMATS.items()
        if kind in formats
    }
    if html is not None:
        found["html"] = Path(os.path.abspath(html))
    return found


def ensure_ours(
    *, html: Path | None, formats: set[str], settings: dict[str, Any], data_file: Path
) -> None:
    """Check that `render` and `datafile.write` may write all these files; raises BadUsage.

    Call it before asking the target: a last dump must not fail because of a folder in the way.
    """
    datafile.ensure_ours(data_file)
    ensure_outputs(places(html, formats, settings), data_file)


def ensure_outputs(where: dict[str, Path], data_file: Path) -> None:
    """Check that reports may be written to the paths in `where`, by format; raises BadUsage."""
    for kind, place in where.items():
        if kind == "html":
            ensure_folder(place)
        else:
            ensure_file(place, data_file)


def ensure_folder(folder: Path) -> None:
    """Check that an HTML report may go into `folder`: a new or empty one, or covattach's.

    Raises BadUsage otherwise.
    """
    with HtmlFolder(folder) as found:
        found.ensure_ours()


def ensure_file(path: Path, data_file: Path) -> None:
    """Check that a report may go to `path`: no file yet, or a report that `data_file` remembers.

    Raises BadUsage otherwise, also for a report that was changed since.
    """
    try:
        with Destination.at(path, remedy_for(path)) as place:
            found = place.look()
            if found is None:
                return
            with found:
                known = datafile.remembered(data_file).get(os.path.abspath(path))
                if known and known == digest_of(found):
                    return
    except (OSError, ValueError) as error:
        raise BadUsage(f"{path} cannot be looked at ({error}).", remedy_for(path)) from error
    raise BadUsage(f"{path} exists, and is not a report of this data file.", remedy_for(path))


@contextlib.contextmanager
def held(where: dict[str, Path]) -> Iterator[dict[str, Destination | HtmlFolder]]:
    """Yield the destinations of the paths in `where`, by format, with their folders made and held.

    Raises ReportFailed, BadUsage.
    """
    places: dict[str, Destination | HtmlFolder] = {}
    with contextlib.ExitStack() as stack:
        for kind, path in where.items():
            if kind == "html":
                places[kind] = stack.enter_context(HtmlFolder(path, make=True))
            else:
                place = Destination.at(path, remedy_for(path), make=True)
                places[kind] = stack.enter_context(place)
        yield places


def remedy_for(path: Path) -> str:
    """Return the remedy, a sentence, for a file at `path` that is in a report's way."""
    return f"Move {path.name} away, or run covattach in another folder."
