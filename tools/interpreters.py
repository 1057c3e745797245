"""Provide and list the interpreters that the tests attach to: CPython 3.9 to 3.15.

`get` obtains missing ones, `list` prints those there are, `lock` pins Debian's packages of today.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import struct
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cache
import coverage_tests
import source_build
from cache import ProvisionError, run, say
from debian_root import SHARED, Root
from debian_suite import Suite, pin

WANTED: dict[str, Any] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text())
PROBE = "import ssl, sqlite3, ctypes, zlib, platform; print(platform.python_version())"
SHT_SYMTAB = 2


@dataclass(frozen=True)
class Interpreter:
    """An interpreter that targets run on.

    `site` is the folder for its PYTHONPATH, and `root` the foreign root that it belongs to, or
    None.
    """

    id: str
    version: str
    python: str
    stripped: bool
    origin: str
    site: str
    root: str | None

    @property
    def minor(self) -> str:
        """The version without its last part: X.Y."""
        return self.version[: self.version.index(".", 2)]


def numbers(version: str) -> list[int]:
    """Return a version's numbers, as the key to sort versions by."""
    return [int(part) for part in version.split(".")]


def is_stripped(python: Path) -> bool:
    """Whether the (64-bit) ELF file has no symbol table but the dynamic one."""
    with python.open("rb") as file:
        header = file.read(64)
        (offset,) = struct.unpack_from("<Q", header, 40)
        size, count = struct.unpack_from("<HH", header, 58)
        file.seek(offset)
        sections = file.read(size * count)
    kinds = (struct.unpack_from("<I", sections, size * i + 4)[0] for i in range(count))
    return SHT_SYMTAB not in kinds


def probe(python: Path, origin: str, kind: str = "", root: Path | None = None) -> list[Interpreter]:
    """Return the entry of an interpreter in a list, or [] if it lacks what targets need."""
    try:
        version = run([python, "-I", "-c", PROBE]).strip()
    except (ProvisionError, OSError) as error:
        say(f"leaving out {python}, which does not run: {error}")
        return []
    minor = version[: version.index(".", 2)]
    return [
        Interpreter(
            id=f"{minor}-{kind or origin}",
            version=version,
            python=str(python),
            stripped=is_stripped(python),
            origin=origin,
            site=str(cache.folder() / "site" / minor),
            root=str(root) if root else None,
        )
    ]


def pyenv() -> Iterator[Interpreter]:
    """Yield pyenv's newest interpreter of each minor version."""
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    for minor in WANTED["source"]:
        found = [path for path in versions.glob(f"{minor}.*") if re.fullmatch(r"[\d.]+", path.name)]
        for newest in sorted(found, key=lambda path: numbers(path.name))[-1:]:
            yield from probe(newest / "bin" / f"python{minor}", "pyenv")


def system() -> Iterator[Interpreter]:
    """Yield Debian's own interpreters of this machine."""
    for minor in WANTED["minors"] if Path("/etc/debian_version").exists() else []:
        if (python := Path(f"/usr/bin/python{minor}")).exists():
            yield from probe(python, "debian")


def foreign(root: Root) -> Iterator[Interpreter]:
    """Yield the interpreters of another Debian suite, or none if it cannot be obtained."""
    origin = "debian-sid" if root.suite.name == "sid" else "debian"
    try:
        root.provide()
    except ProvisionError as error:
        say(str(error))
    for python in root.pythons():
        kind = "shared" if python.is_relative_to(root.path / SHARED) else ""
        yield from probe(python, origin, kind, root.path)


def built(minor: str) -> Iterator[Interpreter]:
    """Build an interpreter with symbols of a minor version, and yield it, or none if that fails."""
    try:
        yield from probe(source_build.provide(cache.folder(), *WANTED["source"][minor]), "source")
    except ProvisionError as error:
        say(str(error))


def stripped(full: Interpreter) -> Iterator[Interpreter]:
    """Make a stripped copy of an interpreter, and yield it, or none if that fails."""
    try:
        copy = source_build.strip(cache.folder(), Path(full.python), full.version)
        yield from probe(copy, full.origin, "stripped")
    except ProvisionError as error:
        say(str(error))


def suites() -> list[Suite]:
    """Return the Debian suites that interpreters come from."""
    return [Suite(cache.folder(), name, wanted) for name, wanted in WANTED["debian"].items()]


def gather() -> list[Interpreter]:
    """Return all interpreters that exist, or that can be obtained, by version."""
    found = [*pyenv(), *system()]
    for suite in suites():
        found += foreign(Root(suite))
    for minor in WANTED["source"]:
        if minor not in {entry.minor for entry in found}:
            found += built(minor)
        of_minor = [entry for entry in found if entry.minor == minor]
        if of_minor and not any(entry.stripped for entry in of_minor):
            found += stripped(of_minor[0])
    return sorted(found, key=lambda entry: (numbers(entry.minor), entry.stripped))


def fill_site(minor: str, python: str) -> None:
    """Install the packages for targets of a minor version, also if pip runs on another version."""
    folder = cache.folder() / "site" / minor
    site = WANTED["site"]
    packages = [*site["common"], *site[minor]]
    for group in ("greenlets", "servers"):
        packages += site[group].get(minor, [])
    stamp = folder / ".complete"
    if stamp.exists() and stamp.read_text().split() == packages:
        return
    say(f"installing the targets' packages for {minor}")
    new = folder.with_name(f"{minor}.new")
    shutil.rmtree(new, ignore_errors=True)
    wheels = ["--only-binary=:all:", "--implementation=cp", f"--python-version={minor}"]
    cache.pip_install(new, *wheels, "--no-compile", *packages)
    for start_up_file in new.glob("*.pth"):
        start_up_file.unlink()
    run([python, "-m", "compileall", "-q", "-j2", new])
    (new / ".complete").write_text("\n".join(packages))
    shutil.rmtree(folder, ignore_errors=True)
    new.rename(folder)


def get(*, partial: bool) -> int:
    """Provide all interpreters and their packages; return the exit code.

    The list of interpreters is written last.
    """
    with cache.locked(cache.folder()):
        found = gather()
        for minor, python in {entry.minor: entry.python for entry in found}.items():
            fill_site(minor, python)
        coverage_tests.provide(WANTED["coverage"]["tests"])
        new = cache.folder() / "interpreters.new"
        new.write_text(json.dumps([asdict(entry) for entry in found], indent=2))
        new.rename(cache.folder() / "interpreters.json")
    if missing := [name for name in WANTED["minors"] if name not in {e.minor for e in found}]:
        say(f"no CPython {', '.join(missing)}: see above, or go on without (PARTIAL=1)")
    return 1 if missing and not partial else 0


def show(*, as_json: bool) -> int:
    """Print the interpreters that the last `get` found, and that still exist; return 0."""
    listing = cache.folder() / "interpreters.json"
    if not listing.exists():
        raise ProvisionError("No interpreter has been provided yet.", "Run `make interpreters`.")
    entries = [Interpreter(**entry) for entry in json.loads(listing.read_text())]
    entries = [entry for entry in entries if Path(entry.python).exists()]
    if as_json:
        print(json.dumps([asdict(entry) for entry in entries], indent=2))
        return 0
    for entry in entries:
        symbols = "stripped" if entry.stripped else "symbols"
        print(f"{entry.id:16} {entry.version:9} {symbols:9} {entry.python}")
    return 0


def main() -> int:
    """Do as the command line says; return the exit code."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    commands = parser.add_subparsers(dest="command", required=True)
    getter = commands.add_parser("get", help="obtain what is missing")
    getter.add_argument("--partial", action="store_true", help="succeed if some are missing")
    lister = commands.add_parser("list", help="print what there is")
    lister.add_argument("--json", action="store_true", help="print all fields, as JSON")
    commands.add_parser("lock", help="pin the Debian packages of today")
    options = parser.parse_args()
    try:
        if options.command == "get":
            return get(partial=options.partial)
        if options.command == "list":
            return show(as_json=options.json)
        pin(suites())
    except ProvisionError as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
