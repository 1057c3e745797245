"""The variants that `bench/overhead.py` compares, and the benchmarks that they run."""

from __future__ import annotations

import sysconfig
from dataclasses import dataclass
from pathlib import Path

from bench.places import Interpreter

FOLDER = Path(sysconfig.get_path("purelib")) / "pyperformance" / "data-files" / "benchmarks"
PROGRAM = Path(__file__).parent / "subjects" / "looping.py"
BENCHMARKS = ("richards", "deltablue", "raytrace", "nqueens", "generators", "flask")
FRAMEWORK = ("flask", "werkzeug", "jinja2", "click", "itsdangerous", "markupsafe")


@dataclass(frozen=True)
class Variant:
    """One way to run a benchmark.

    Either covattach `attaches` to the running process, or `words` come before the program on its
    command line, with {} for the data file.  `needs` are packages that these words take.
    """

    name: str
    branch: bool = False
    attaches: bool = False
    words: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()

    @property
    def measures(self) -> bool:
        """Whether any tool measures the benchmark."""
        return self.attaches or bool(self.words)

    @property
    def what(self) -> str:
        """The kind of data that is measured: "lines", "branches", or "-" for none."""
        return ("branches" if self.branch else "lines") if self.measures else "-"


CONTROL, AGAIN = Variant("no coverage"), Variant("no coverage, again")
COVERAGE = ("-m", "coverage", "run", "--data-file={}")
SLIPCOVER = ("-m", "slipcover", "--json", "--out={}")
# tomli by name: pip decides by the Python that it runs on what is needed only on older ones.
NEEDS = ("slipcover", "tomli")
VARIANTS = (
    CONTROL,
    AGAIN,
    *(Variant("covattach", branch, attaches=True) for branch in (False, True)),
    *(Variant("coverage run", branch, words=COVERAGE) for branch in (False, True)),
    *(Variant("SlipCover", branch, words=SLIPCOVER, needs=NEEDS) for branch in (False, True)),
)


def source(benchmark: str, on: Interpreter) -> str:
    """Return the folders to measure, as the option `--source` takes them."""
    if benchmark != "flask":
        return str(FOLDER / f"bm_{benchmark}")
    found = [Path(on.site) / name for name in FRAMEWORK]
    return ",".join(str(path) for path in (PROGRAM.parent, *found) if path.is_dir())
