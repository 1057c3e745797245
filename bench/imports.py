"""Judge what reports say of imports: 3,000 top levels from PyPI, beside stock coverage."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench import places

sys.path.insert(0, str(places.ROOT / "tests"))

import blue

LOCK = Path(__file__).with_suffix(".lock")
PACKAGES = """
alembic ansible astroid attr babel black botocore bs4 celery cherrypy click dask django dns docker
docutils faker flask fontTools html5lib httpx hypothesis IPython jedi jinja2 jsonschema kombu mako
markdown marshmallow networkx nltk openpyxl peewee pip prompt_toolkit pyasn1_modules pygments
pylint pyparsing pyramid pytest rdflib rich scapy setuptools sphinx sqlalchemy starlette sympy
textual tornado traitlets twisted virtualenv werkzeug zope.interface
""".split()  # noqa: SIM905  as a list it is three times as long
LONGEST = 300.0  # seconds for the imports of one package


def installed(on: places.Interpreter) -> Path:
    """Return the folder that has the packages; the first time, install them."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "covattach-tests" / "bench" / f"imports-{on.minor}"
    if not (folder / ".complete").exists():
        print("installing the packages", file=sys.stderr)
        words = ["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--upgrade"]
        words += ["--target", str(folder), "-r", str(LOCK)]
        subprocess.run([sys.executable, "-m", "pip", *words], check=True, timeout=places.INSTALL)
        (folder / ".complete").touch()
    return folder


def compared(
    on: places.Interpreter, folder: Path, package: str, options: Sequence[str], most: int
) -> blue.Comparison:
    """Return what is claimed of at most so many modules of a package; of one that hangs nothing."""
    inside = package.replace(".", "/")
    words = [f"--include={folder}/{inside}/*,{folder}/{inside}.py", f"--walk={most}", package]
    found = blue.Comparison()
    try:
        site = f"{on.site}:{folder}"
        found.add(blue.recorded([on.python, *options], site, words, LONGEST))
    except subprocess.SubprocessError as error:
        print(f"{package} is left out: {error}", file=sys.stderr)
    return found


def judge(
    on: places.Interpreter, packages: Sequence[str], options: Sequence[str], most: int
) -> int:
    """Print what came of all packages; return how many claims are false."""
    folder = installed(on)
    total = blue.Comparison()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for one in pool.map(lambda name: compared(on, folder, name, options, most), packages):
            total.files, total.seen = total.files + one.files, total.seen + one.seen
            total.claimed, total.false = total.claimed + one.claimed, total.false + one.false
    print(
        f"Python {on.version} {' '.join(options):3} {total.files} modules of {len(packages)}"
        f" packages: {total.percent:.2f} % of the {total.seen} lines that coverage saw are said"
        f" to have run; false: {len(total.false)}"
    )
    for claim in total.false:
        print(f"  false: {claim}")
    return len(total.false)


def main(words: list[str]) -> None:
    """Compare with and without -O; fail if a claim is false."""
    parser = argparse.ArgumentParser(prog="python -m bench imports", description=__doc__)
    parser.add_argument("--python", default="3.11", help="the minor version to import with")
    parser.add_argument("--most", type=int, default=90, help="modules of each package")
    parser.add_argument("packages", nargs="*", default=PACKAGES)
    given = parser.parse_args(words)
    on = places.interpreter(given.python)
    false = [judge(on, given.packages, options, given.most) for options in ([], ["-O"])]
    if any(false):
        raise SystemExit("Lines are said to have run that did not.")
