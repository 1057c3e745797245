"""Provide coverage's own tests, whose programs ours attach to: its source archive has them."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from pathlib import Path

import cache


def folder(version: str) -> Path:
    """Return where the tests of a version of coverage are, or will be."""
    return cache.folder() / f"coverage-{version}-tests"


def provide(version: str) -> Path:
    """Return the folder with the tests of a version, fetched if need be; raises ProvisionError."""
    place = folder(version)
    if place.exists():
        return place
    cache.say(f"fetching the tests of coverage {version}")
    with tempfile.TemporaryDirectory(dir=cache.folder()) as name:
        new = Path(name)
        cache.pip_download(new, "--no-binary=coverage", f"coverage=={version}")
        (archive,) = new.glob("*.tar.gz")
        with tarfile.open(archive) as file:
            file.extractall(new, filter="data")
        shutil.move(next(new.glob("coverage-*/tests")), place)
    return place
