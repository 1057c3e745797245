"""Empty reports, for data with which coverage makes none and fails with "No data to report".

A target that has not run anything yet is no failure: whoever reads the reports finds them, in their
own formats, empty.
"""

from __future__ import annotations

import html
import json
import time
from pathlib import Path

PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Coverage report: nothing</title></head>
<body><h1>Coverage report</h1><p>{why}</p><p>{when}</p></body>
</html>
"""
XML = """<?xml version="1.0" ?>
<coverage version="{version}" timestamp="{milliseconds}" lines-valid="0" lines-covered="0"\
 line-rate="0" branches-covered="0" branches-valid="0" branch-rate="0" complexity="0">
\t<sources/>
\t<packages/>
</coverage>
"""


def text(kind: str, why: str) -> str:
    """Return an empty report of a kind ("html", "xml", "json", "lcov", "text", "markdown").

    `why` is a sentence that says why it is empty; "html", "text" and "markdown" show it.
    """
    from coverage import __version__

    if kind == "lcov":
        return ""
    if kind == "json":
        return empty_json(__version__)
    if kind == "xml":
        return XML.format(version=__version__, milliseconds=int(time.time() * 1000))
    if kind == "html":
        return PAGE.format(why=html.escape(why), when=time.strftime("%Y-%m-%d %H:%M %z"))
    return f"{why}\n"


def empty_json(version: str) -> str:
    """Return a JSON report without files, with coverage's own names (coverage/jsonreport.py)."""
    totals = {
        "covered_lines": 0,
        "num_statements": 0,
        "percent_covered": 0.0,
        "percent_covered_display": "0",
        "missing_lines": 0,
        "excluded_lines": 0,
        "import_lines": 0,
        "undecided_lines": 0,
    }
    meta = {"format": 3, "version": version, "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S")}
    return json.dumps({"meta": meta, "files": {}, "totals": totals})


def write_page(folder: Path, why: str) -> None:
    """Replace the HTML report in the private `folder` by a page that says `why`; raises OSError."""
    for stale in [*folder.glob("*.html"), *folder.glob("status.json")]:
        stale.unlink()
    (folder / "index.html").write_text(text("html", why), encoding="utf-8")
