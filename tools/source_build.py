"""Interpreters with symbols, built from python.org's release tarballs with pinned checksums."""

from __future__ import annotations

import os
import shutil
import urllib.request
from pathlib import Path

from cache import ProvisionError, run, say, sha256
from debian_root import patchelf

ADDRESS = "https://www.python.org/ftp/python/{version}/Python-{version}.tar.xz"


def provide(cache: Path, version: str, digest: str) -> Path:
    """Build and install a version of CPython, unless it is there; return its interpreter.

    `digest` is the SHA-256 of its tarball.
    """
    prefix = cache / "source" / version
    python = prefix / "bin" / f"python{version.rpartition('.')[0]}"
    if python.exists():
        return python
    tarball = download(cache, version, digest)
    run([Path(__file__).with_name("bootstrap.sh"), "build"])
    work = prefix.with_name(f"{version}.work")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    run(["tar", "-xf", tarball, "-C", work, "--strip-components=1"])
    build(work, prefix)
    (work / "image" / prefix.relative_to("/")).rename(prefix)
    shutil.rmtree(work)
    return python


def download(cache: Path, version: str, digest: str) -> Path:
    """Return the path of the tarball; download it unless it is in the cache."""
    address = ADDRESS.format(version=version)
    tarball = cache / "downloads" / address.rpartition("/")[2]
    if not tarball.exists():
        say(f"downloading CPython {version}")
        tarball.parent.mkdir(parents=True, exist_ok=True)
        try:
            fetch(address, tarball)
        except OSError as error:
            raise ProvisionError(
                f"CPython {version} could not be downloaded from python.org ({error}).",
                f"Put its source at {tarball}, or install it with pyenv.",
            ) from error
    if (found := sha256(tarball)) != digest:
        raise ProvisionError(
            f"{tarball} has the SHA-256 {found}, not the pinned {digest}.",
            "Remove it and run this again.",
        )
    return tarball


def fetch(address: str, target: Path) -> None:
    """Download to a file that has its name only once it is whole."""
    part = target.with_suffix(".part")
    with (
        urllib.request.urlopen(address, timeout=60) as reply,  # noqa: S310  # it is ADDRESS
        part.open("wb") as file,
    ):
        shutil.copyfileobj(reply, file)
    part.rename(target)


def build(work: Path, prefix: Path) -> None:
    """Compile, and install into `work/image`, so that no unfinished build is ever at `prefix`."""
    say(f"building CPython {prefix.name}, which takes some minutes")
    flags = {"CFLAGS": "-g -O2", "LDFLAGS": f"-Wl,-rpath,{prefix}/lib"}
    options = [f"--prefix={prefix}", "--enable-shared", "--with-ensurepip=no"]
    run(["nice", "-n", "10", "./configure", *options], env=flags, cwd=work)
    run(["nice", "-n", "10", "make", f"-j{os.cpu_count() or 1}"], cwd=work)
    run(["make", "altinstall", f"DESTDIR={work / 'image'}"], cwd=work)


def strip(cache: Path, python: Path, version: str) -> Path:
    """Make a stripped copy of an interpreter and its libpython, without the standard library."""
    copy = cache / "stripped" / version
    target = copy / "bin" / python.name
    if target.exists():
        return target
    say(f"making a stripped copy of {python}")
    new = copy.with_suffix(".new")
    shutil.rmtree(new, ignore_errors=True)
    (new / "bin").mkdir(parents=True)
    (new / "lib").mkdir()
    (new / "lib" / python.name).symlink_to(python.parents[1] / "lib" / python.name)
    program = Path(shutil.copy2(python, new / "bin"))
    for library in python.parents[1].glob(f"lib/lib{python.name}.so.*"):
        run(["strip", shutil.copy2(library, new / "lib")])
    run(["strip", program])
    run([patchelf(cache), "--force-rpath", "--set-rpath", copy / "lib", program])
    shutil.rmtree(copy, ignore_errors=True)
    new.rename(copy)
    return target
