"""Make the pictures of the README: docs/session.svg and docs/report.png.

Both are real: the sample server of `covattach demo` is attached to in a terminal of its own, and
its HTML report is photographed by Chromium, which must be installed (`apt install chromium`).
docs/pictures.json has a digest of what each shows, by which a test finds a picture that is old.
"""

from __future__ import annotations

import ast
import hashlib
import html
import json
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from urllib.request import urlopen

from rich.console import Console
from rich.text import Text

from covattach.commands import demo_server
from covattach.reports import html_pages, html_templates

DOCS = Path(__file__).parent.parent / "docs"
DIGESTS = DOCS / "pictures.json"
SHOWN = (demo_server, html_pages, html_templates)  # what the report's picture depends on
NUMBER = re.compile(r"[\d,.]*\d")
COLUMNS = 84
SIZE = "1000,810"  # of the report, in pixels: down to the function that never ran
CHROMIUM = [
    "chromium",
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--hide-scrollbars",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def typed(command: str, folder: Path) -> str:
    """Run a command of covattach in a terminal; return the prompt line and the output as text."""
    words = [sys.executable, "-m", "covattach", *command.split()[1:]]
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    popen = subprocess.Popen(words, cwd=folder, env=environment, stdout=theirs, stderr=theirs)
    os.close(theirs)
    printed = b""
    with suppress(OSError):  # the end of a terminal is an error on Linux
        while part := os.read(ours, 65536):
            printed += part
    os.close(ours)
    if popen.wait():
        sys.exit(printed.decode())
    # The folder is a temporary one; people have their programs at home.
    text = printed.decode().replace(str(folder), "~/shop").replace("\r\n", "\n")
    # Text that was erased again, on the line itself or the one above, is the progress.
    text = re.sub(r"\x1b\[\?25[lh]", "", text)
    text = re.sub(r"[^\n]*(\n\r?\x1b\[1A)?\r?\x1b\[2K", "", text)
    return f"\x1b[1;32m$\x1b[0m \x1b[1m{command}\x1b[0m\n{text}\n"


def session(folder: Path) -> str:
    """Attach to the sample server, use it, dump, stop; return the text of the terminal."""
    shutil.copy(demo_server.__file__, folder / "shop.py")
    server = subprocess.Popen(
        [sys.executable, "shop.py"], cwd=folder, stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        shown = typed(f"covattach start {server.pid}", folder)
        for path in ("price/tea", "price/milk", "order/tea", "order/coffee"):
            with urlopen(f"http://127.0.0.1:{port}/{path}", timeout=10) as answer:
                answer.read()
        shown += typed(f"covattach dump {server.pid}", folder)
        return shown + typed(f"covattach stop {server.pid} --no-dump", folder)
    finally:
        server.terminate()
        server.wait()


def draw(shown: str, path: Path, columns: int = COLUMNS) -> None:
    """Draw a terminal that shows the text `shown` into an SVG file, `columns` wide."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=columns, file=nowhere, force_terminal=True)
        console.print(Text.from_ansi(shown.rstrip()))
    svg = console.export_svg(title="covattach", unique_id="covattach")
    # Without the fonts that would be fetched from elsewhere: any fixed-width one does.
    path.write_text(re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.S), encoding="utf-8")


def photograph(page: Path, path: Path) -> None:
    """Have Chromium render an HTML page, and save a picture of it at `path`."""
    with tempfile.TemporaryDirectory() as profile:
        words = [*CHROMIUM, f"--user-data-dir={profile}", f"--window-size={SIZE}"]
        words += [f"--screenshot={path}", page.as_uri()]
        subprocess.run(words, check=True, timeout=60, stderr=subprocess.DEVNULL)


def digest_of_report() -> str:
    """Return a digest of the sample and of the templates that the picture of the report shows."""
    texts = [Path(str(module.__file__)).read_text(encoding="utf-8") for module in SHOWN]
    sample, *templates = texts
    shown = [sample, *map(without_docstrings, templates)]
    return hashlib.sha256("".join(shown).encode()).hexdigest()


def without_docstrings(source: str) -> str:
    """Return the text of a module without its docstrings, which no picture shows."""
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node
        ):
            text = node.body[0]
            lines[text.lineno - 1 : text.end_lineno] = [""] * (text.end_lineno - text.lineno + 1)
    return "\n".join(filter(str.strip, lines))


def words_of(picture: Path) -> list[str]:
    """Return the words in a terminal's SVG picture, with each number as 0."""
    texts = re.findall(r"<text [^>]*>(.*?)</text>", picture.read_text(encoding="utf-8"))
    shown = " ".join(html.unescape(text) for text in texts).replace("\xa0", " ")
    return NUMBER.sub("0", shown).split()


def main() -> None:
    """Make both pictures."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary).resolve()
        draw(session(folder), DOCS / "session.svg")
        (page,) = (folder / "htmlcov").glob("*shop_py.html")
        photograph(page, DOCS / "report.png")
    DIGESTS.write_text(json.dumps({"report.png": digest_of_report()}, indent=2) + "\n")


if __name__ == "__main__":
    main()
