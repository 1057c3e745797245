"""A coverage that fits the target's Python, for targets that have none."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

from covattach.errors import NotPossible
from covattach.files import cache
from covattach.files.private_folder import private_folder
from covattach.files.safe_path import is_private
from covattach.payloads.measure.core_choice import PURE_PYTHON, best_core
from covattach.process.process import Process
from covattach.session.folder import SessionFolder

VERSIONS = [(3, minor) for minor in range(9, 16)]
# The last release for each Python that is older than the newest release supports.
LAST = {(3, 9): "7.10.7", (3, 10): "7.16.2"}


def own() -> Path:
    """Return the folder of the coverage package that covattach itself runs with."""
    found = importlib.util.find_spec("coverage")
    if found is None or found.origin is None:
        raise NotPossible(
            "covattach's own coverage is gone.", "Install it: `pip install coverage`."
        )
    return Path(found.origin).parent


def kept(version: tuple[int, int]) -> Path | None:
    """Return where the coverage package for that Python is kept, whether it is there or not.

    None where others could have put it there.
    """
    return cache.place("coverage", "{}.{}".format(*version), "coverage")


def find(version: tuple[int, int], core: str) -> Path | None:
    """Return a coverage package for a target of that version measured by `core`, or None.

    Our own fits a target of our own version.  Without its C tracer, it fits any target measured by
    sysmon, because the rest of coverage is pure Python.
    """
    if version == sys.version_info[:2]:
        return own()
    found = kept(version)
    if found is not None and found.is_dir():
        return found
    return own() if core in PURE_PYTHON and version not in LAST else None


def bring(
    process: Process, folder: SessionFolder, version: tuple[int, int], core: str
) -> str | None:
    """Return the path, for the target, of a coverage package to use if it has none; or None.

    Where the target may not be able to read ours, it gets a copy in the session's folder.
    """
    found = find(version, core)
    return None if found is None else within_reach(process, folder, found, "coverage")


def bring_all(
    process: Process, folder: SessionFolder, branch: bool, core: str | None
) -> dict[str, str]:
    """Return such paths for all Pythons that there is a coverage for, by version: "3.11".

    `core` is the one that was asked for, or None for the best that each version has.
    """
    found = {}
    for version in VERSIONS:
        package = find(version, core or best_core(branch, version))
        if package is not None:
            dotted = "{}.{}".format(*version)
            found[dotted] = within_reach(process, folder, package, f"coverage-{dotted}")
    return found


def within_reach(process: Process, folder: SessionFolder, package: Path, name: str) -> str:
    """Return the path of a package for the target: its own, or that of a copy with that name."""
    if process.root == Path("/") and process.uid == os.geteuid():
        return str(package)
    return folder.add_tree(package, name)


def fill(version: tuple[int, int]) -> Path:
    """Fill the cache for that Python with pip and return the folder; raises NotPossible."""
    target = kept(version)
    if target is None:
        raise NotPossible(
            "The folder for caches is one that others can change.",
            "Name one that only you can: `XDG_CACHE_HOME=DIR covattach provision …`.",
        )
    beside = target.parent.with_name(target.parent.name + ".new")
    shutil.rmtree(beside, ignore_errors=True)
    pin = LAST.get(version)
    # -P: not the pip of the current directory, which may be somebody else's.
    command = [sys.executable, "-P", "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"]
    command += ["--only-binary=:all:", "--implementation=cp", f"--target={beside}"]
    command += ["--python-version={}.{}".format(*version)]
    command += [f"coverage=={pin}" if pin else "coverage"]
    with private_folder("provision-") as temporary:
        environment = {**own_environment(), "TMPDIR": str(temporary)}
        done = subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            env=environment,
        )
    if done.returncode != 0:
        shutil.rmtree(beside, ignore_errors=True)
        raise NotPossible(
            "pip could not get a coverage for Python {}.{}.".format(*version),
            f"Run it yourself to see why, or copy the package to {target}.",
            details=done.stderr,
        )
    shutil.rmtree(target.parent, ignore_errors=True)
    beside.rename(target.parent)
    return target


def own_environment() -> dict[str, str]:
    """Return our environment; for root without folders of settings that others can change.

    pip reads there which index to trust.  With `sudo`, $HOME may still be another user's.
    """
    found = dict(os.environ)
    if os.geteuid() == 0:
        for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "XDG_DATA_HOME"):
            for folder in filter(None, found.get(name, "").split(":")):
                if not is_private(Path(os.path.abspath(folder))):
                    found.pop(name, None)
        found.setdefault("HOME", pwd.getpwuid(0).pw_dir)
    return found
