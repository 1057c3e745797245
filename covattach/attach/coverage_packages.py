"""Coverage packages that fit the target's Python, for targets that have no coverage installed."""

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
    """Return the folder of the coverage package that covattach uses itself; raises NotPossible."""
    found = importlib.util.find_spec("coverage")
    if found is None or found.origin is None:
        raise NotPossible(
            "covattach's own coverage is gone.", "Install it: `pip install coverage`."
        )
    return Path(found.origin).parent


def kept(version: tuple[int, int]) -> Path | None:
    """Return the path in the cache for a coverage package for that Python, there or not.

    None if there is no safe cache.
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
    """Return the path of a coverage package, as the target sees it, to use if it has none; or None.

    Where the target may not be able to read ours, it gets a copy in the session's folder.
    """
    found = find(version, core)
    return None if found is None else within_reach(process, folder, found, "coverage")


def bring_all(
    process: Process, folder: SessionFolder, branch: bool, core: str | None
) -> dict[str, str]:
    """Return the paths of coverage packages, as the target sees them, by version: "3.11".

    There is one for each Python that we have a package for.  `core` is the one that was asked for,
    or None for the best that each version has.
    """
    found = {}
    for version in VERSIONS:
        package = find(version, core or best_core(branch, version))
        if package is not None:
            dotted = "{}.{}".format(*version)
            found[dotted] = within_reach(process, folder, package, f"coverage-{dotted}")
    return found


def within_reach(process: Process, folder: SessionFolder, package: Path, name: str) -> str:
    """Return the path of a package as the target sees it: its own, or that of a copy.

    The copy is made, as `name`, in the session's `folder` if the target may not read `package`.
    """
    if process.root == Path("/") and process.uid == os.geteuid():
        return str(package)
    return folder.add_tree(package, name)


def fill(version: tuple[int, int]) -> Path:
    """Install coverage for that Python in the cache by pip; return the path; raises NotPossible."""
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
    """Return our environment; for root, without configuration folders that others can change.

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
