"""Where reports go: what may be written over, and the mark that says what is ours.

    ensure_ours(html=, formats=, settings=, data_file=)     raises BadUsage for what is in the way

It changes nothing.  The arguments are those of covattach.reports.render.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from covattach.errors import BadUsage, ReportFailed
from covattach.reports import datafile

# Where each report goes: the setting, and the name if that is not set.  Those of coverage's that
# it prints only, `text` and `markdown`, have names of ours.
FORMATS = {
    "html": ("html:directory", "htmlcov"),
    "xml": ("xml:output", "coverage.xml"),
    "json": ("json:output", "coverage.json"),
    "lcov": ("lcov:output", "coverage.lcov"),
    "text": ("", "coverage.txt"),
    "markdown": ("", "coverage.md"),
}
MARKER = ".covattach"  # in each of our HTML folders
TEXT = "The HTML report in this folder is covattach's, which replaces it with the next one.\n"
HTML_REMEDY = "Choose another folder with --html DIR."


def places(html: Path | None, formats: set[str], settings: dict[str, Any]) -> dict[str, Path]:
    """Return where each report asked for goes, as absolute paths; raises BadUsage."""
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
    """Return if `render` and `datafile.write` may write all this; raises BadUsage.

    To be asked before a target is: a last dump must not fail for a folder that is in the way.
    """
    datafile.ensure_ours(data_file)
    ensure_outputs(places(html, formats, settings), data_file)


def ensure_outputs(where: dict[str, Path], data_file: Path) -> None:
    """Return if reports may be written to the places in `where`; raises BadUsage."""
    for kind, place in where.items():
        if kind == "html":
            ensure_folder(place)
        else:
            ensure_file(place, data_file)


def ensure_folder(folder: Path) -> None:
    """Return if an HTML report may go into `folder`: a new or empty one, or ours.

    Raises BadUsage otherwise.
    """
    try:
        mode = os.lstat(folder).st_mode
        if not stat.S_ISDIR(mode):
            raise BadUsage(f"{folder} is not a folder.", HTML_REMEDY)
        held = os.listdir(folder)
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise BadUsage(f"{folder} cannot be looked into ({error}).", HTML_REMEDY) from error
    if held and MARKER not in held:
        raise BadUsage(
            f"{folder} has files in it, and covattach has not put them there.", HTML_REMEDY
        )


def mark_folder(folder: Path) -> None:
    """Make the folder, and mark it as ours; raises ReportFailed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.listdir(folder):
            # As coverage does: a report is not to be committed by accident.
            (folder / ".gitignore").write_text("# Created by covattach\n*\n", encoding="utf-8")
        (folder / MARKER).write_text(TEXT, encoding="utf-8")
    except OSError as error:
        reason = error.strerror or str(error)
        raise ReportFailed(f"{folder} cannot be written ({reason}).", HTML_REMEDY) from error


def ensure_file(path: Path, data_file: Path) -> None:
    """Return if a report may go to `path`: nothing is there, or what `data_file` remembers.

    Raises BadUsage otherwise, for one of ours that was changed since, too.
    """
    try:
        mode = os.lstat(path).st_mode
        known = datafile.remembered(data_file).get(os.path.abspath(path))
        if stat.S_ISREG(mode) and known == datafile.digest_of_file(path):
            return
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise BadUsage(f"{path} cannot be looked at ({error}).", remedy_for(path)) from error
    raise BadUsage(f"{path} exists, and is not a report of this data file.", remedy_for(path))


def remedy_for(path: Path) -> str:
    """Return what to do about a report's file that is in the way."""
    return f"Move {path.name} away, or run covattach in another folder."
