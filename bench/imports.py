"""Check the lines that reports claim ran at import: 3,000 modules from PyPI, by stock coverage."""

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

from support import blue

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
    """Return the folder with the packages; the first time, install them there."""
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
    """Compare the claims on up to `most` modules of a package with the lines that ran.

    `folder` has the packages, and `options` are those of Python.  If the imports hang or fail, the
    comparison is empty.
    """
    inside = package.replace(".", "/")
    words = [f"--include={folder}/{inside}/*,{folder}/{inside}.py", f"--walk={most}", package]
    found = blue.Comparison()
    try:
        site = f"{folder}:{on.site}"  # the tests have some of them in other versions
        found.add(blue.recorded([on.python, *options], site, words, LONGEST))
    except subprocess.SubprocessError as error:
        print(f"{package} is left out: {error}", file=sys.stderr)
    return found


def judge(on: places.Interpreter, packages: Sequence[str], most: int) -> int:
    """Print the results for all packages, with and without -O; return how many claims are false."""
    folder = installed(on)
    total = {"": blue.Comparison(), "-O": blue.Comparison()}
    runs = [(package, options) for package in packages for options in total]

    def one(run: tuple[str, str]) -> blue.Comparison:
        return compared(on, folder, run[0], run[1].split(), most)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for (package, options), found in zip(runs, pool.map(one, runs), strict=True):
            total[options].include(found)
            print(f"{package:16} {options:2} {described(found)}", flush=True)
    for options, found in total.items():
        print(f"Python {on.version} {options:2} {described(found)}")
    return sum(len(found.false) for found in total.values())


def described(found: blue.Comparison) -> str:
    """Return the figures of a comparison as text, and the claims that are false."""
    false = f": {', '.join(found.false)}" if found.false else ""
    return (
        f"{found.files:5} modules, {found.percent:6.2f} % of {found.seen:6} lines,"
        f" {len(found.false)} false{false}"
    )


def main(words: list[str]) -> None:
    """Compare all packages; exit with an error if a claim is false."""
    parser = argparse.ArgumentParser(prog="python -m bench imports", description=__doc__)
    parser.add_argument("--python", default="3.11", help="the minor version to import with")
    parser.add_argument("--most", type=int, default=90, help="modules of each package")
    parser.add_argument("packages", nargs="*", default=PACKAGES)
    given = parser.parse_args(words)
    on = places.interpreter(given.python)
    if judge(on, given.packages, given.most):
        raise SystemExit("Lines are said to have run that did not.")
