"""Shared by the tools for the test interpreters: the cache folder, messages, commands, errors."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


class ProvisionError(Exception):
    """Something could not be obtained; its text is a sentence on the problem, and a remedy."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem} {remedy}")


def say(line: str) -> None:
    """Print a progress line on standard error; standard output is for `interpreters.py list`."""
    print(f"interpreters: {line}", file=sys.stderr, flush=True)


def folder() -> Path:
    """Return the cache folder: outside the checkout, so that a clean clone fetches nothing."""
    if chosen := os.environ.get("COVATTACH_INTERPRETERS"):
        return Path(chosen).absolute()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base).absolute() / "covattach-tests" / "interpreters"


@contextmanager
def locked(cache: Path) -> Iterator[None]:
    """Lock the cache folder in the body; a second run waits, and then finds everything done."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another run is filling the cache, waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run(
    argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> str:
    """Run a command and return its output; raises ProvisionError, with the last that it printed."""
    command = [str(word) for word in argv]
    try:
        done = subprocess.run(
            command,
            check=True,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
        )
    except FileNotFoundError as error:
        raise ProvisionError(f"There is no {command[0]} here.", "Install it.") from error
    except subprocess.CalledProcessError as error:
        printed = (error.stderr.strip() or error.stdout.strip()).splitlines()
        problem = f"`{' '.join(command[:4])}` failed with status {error.returncode}:"
        raise ProvisionError(problem, "\n".join(printed[-12:])) from error
    return done.stdout


def pip(command: str, *words: str | Path) -> None:
    """Run a command of pip in the project's virtual environment, without dependencies."""
    python = Path(__file__).resolve().parents[1] / ".venv" / "bin" / "python"
    program = [python if python.exists() else sys.executable, "-m", "pip"]
    try:
        run([*program, "--version"])
    except ProvisionError as error:
        raise ProvisionError("There is no pip for the packages.", "Run `make venv`.") from error
    quiet = ["--quiet", "--disable-pip-version-check"]
    run([*program, command, *quiet, "--no-deps", *words])


def pip_install(target: Path, *words: str | Path) -> None:
    """Install packages into the folder `target`."""
    pip("install", "--upgrade", "--target", target, *words)


def pip_download(target: Path, *words: str | Path) -> None:
    """Download the archives of packages into the folder `target`."""
    pip("download", "--dest", target, *words)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
