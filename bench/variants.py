"""What `bench/overhead.py` compares: who measures a target, how, and the process that it is."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from bench.places import Interpreter, extra_site

FOLDER = Path(sysconfig.get_path("purelib")) / "pyperformance" / "data-files" / "benchmarks"
PROGRAM = Path(__file__).with_name("looping.py")
BENCHMARKS = ("richards", "deltablue", "raytrace", "nqueens", "generators", "flask")
MEASURED = ("flask", "werkzeug", "jinja2", "click", "itsdangerous", "markupsafe")
COMMAND = 120.0  # seconds for a command of covattach; a quiet machine needs one
ANSWER = 120.0  # seconds for one sample


@dataclass(frozen=True)
class Variant:
    """One column: `attaches` when the target runs already, `words` come before its program.

    `core` is what coverage is told to take by its environment, "" for its own choice.
    """

    name: str
    branch: bool = False
    attaches: bool = False
    words: tuple[str, ...] = ()
    core: str = ""

    @property
    def measures(self) -> bool:
        """Whether anybody measures."""
        return self.attaches or bool(self.words)


CONTROL, AGAIN = Variant("no coverage"), Variant("no coverage, again")
LINES, BRANCHES = Variant("covattach", attaches=True), Variant("covattach", True, attaches=True)
PLAIN = ("-m", "coverage", "run", "--data-file=unused")
SLIPCOVER = ("-m", "slipcover", "--out=unused")


def variants(minor: str) -> list[Variant]:
    """Return what there is to compare on an interpreter."""
    number = int(minor.partition(".")[2])
    plain = [Variant("coverage", branch, words=PLAIN) for branch in (False, True)]
    if number in (12, 13):  # where coverage takes ctrace by itself, and covattach does not
        plain.append(Variant("coverage, sysmon", words=PLAIN, core="sysmon"))
    slip = [Variant("SlipCover", branch, words=SLIPCOVER) for branch in (False, True)]
    return [CONTROL, AGAIN, LINES, BRANCHES, *plain, *slip]


def source(benchmark: str, on: Interpreter) -> str:
    """Return the folders to measure, as `--source` takes them."""
    if benchmark != "flask":
        return str(FOLDER / f"bm_{benchmark}")
    found = [Path(on.site) / name for name in MEASURED]
    return ",".join(str(path) for path in (PROGRAM.parent, *found) if path.is_dir())


class Looping:
    """A target of one variant, which runs when it is told to."""

    def __init__(self, variant: Variant, benchmark: str, on: Interpreter, folder: Path) -> None:
        """Start it; `wait` says whether it runs."""
        self.variant = variant
        self.folder = folder
        self.source = source(benchmark, on)
        sites = [on.site]
        words = [*variant.words]
        if variant.words == SLIPCOVER:
            sites.append(extra_site(on, "slipcover"))
        if words:
            words += [f"--source={self.source}", *(["--branch"] if variant.branch else [])]
        self.log = folder / f"{variant.name} {variant.branch}.log"
        environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sites)}
        # The order of sets differs from process to process otherwise, and with it the work.
        environment |= {"PYTHONHASHSEED": "0"}
        if variant.core:
            environment["COVERAGE_CORE"] = variant.core
        with self.log.open("wb") as log:
            self.popen = subprocess.Popen(
                [on.python, *words, str(PROGRAM), benchmark, str(FOLDER)],
                env=environment,
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )

    def wait(self) -> bool:
        """Wait until it is in its loop; return whether it came to that."""
        assert self.popen.stdout
        return self.popen.stdout.readline() == b"ready\n"

    def sample(self, count: int) -> tuple[float, float]:
        """Run the benchmark `count` times; return wall and CPU seconds.  Raises RuntimeError."""
        assert self.popen.stdin
        assert self.popen.stdout
        try:
            self.popen.stdin.write(b"%d\n" % count)
            self.popen.stdin.flush()
            wall, cpu = self.popen.stdout.readline().split()
        except (OSError, ValueError):
            raise RuntimeError(f"the target ended: {self.log.read_text()[-2000:]}") from None
        return float(wall), float(cpu)

    def covattach(self, *words: str) -> None:
        """Run a command of covattach on it; raises RuntimeError if it fails."""
        command = [sys.executable, "-m", "covattach", *words, str(self.popen.pid)]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(PROGRAM.parent.parent)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)}: {done.stderr}")

    def attach(self) -> None:
        """Have covattach measure it."""
        branch = "--branch" if self.variant.branch else "--no-branch"
        self.covattach("start", branch, f"--source={self.source}")

    def detach(self) -> None:
        """Have covattach leave it."""
        self.covattach("stop", "--no-dump")

    def end(self) -> None:
        """Kill it."""
        self.popen.kill()
        self.popen.communicate()
