"""Single-file reports: XML, JSON, LCOV, text and Markdown.

make_file(recorder, kind, path)                 write one
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from covattach.reports.import_time.line_status import LineStatus

if TYPE_CHECKING:
    from covattach.reports.reporting_coverage import ReportingCoverage


def make_file(recorder: ReportingCoverage, kind: str, path: Path) -> None:
    """Have coverage write the single-file report `kind` to `path`; raises coverage's errors."""
    if kind == "xml":
        recorder.xml_report(outfile=os.fspath(path))
    elif kind == "json":
        recorder.json_report(outfile=os.fspath(path))
        add_imports(recorder, path)
    elif kind == "lcov":
        recorder.lcov_report(outfile=os.fspath(path))
    else:
        with open(path, "w", encoding="utf-8") as file:
            recorder.report(file=file, output_format=kind)


def add_imports(recorder: ReportingCoverage, path: Path) -> None:
    """Add lines that ran at import, and undecided ones, to coverage's JSON report at `path`."""
    report = json.loads(path.read_text(encoding="utf-8"))
    report["meta"]["imports"] = recorder.imports
    for name, facts in report["files"].items():
        known = recorder.known.get(name, LineStatus())
        facts["import_lines"] = sorted(known.at_import)
        facts["undecided_lines"] = sorted(known.undecided)
        facts["summary"].update(
            import_lines=len(known.at_import), undecided_lines=len(known.undecided)
        )
    for key in ("import_lines", "undecided_lines"):
        report["totals"][key] = sum(facts["summary"][key] for facts in report["files"].values())
    indent = 4 if recorder.get_option("json:pretty_print") else None
    path.write_text(json.dumps(report, indent=indent), encoding="utf-8")
