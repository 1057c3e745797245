"""Programs of coverage's own tests of concurrency and of processes, with a gate added to each.

The programs are read from these tests, which tools/coverage_tests.py provides.  Here are only the
parts of each, and the line behind which the program waits at the gate.
"""

from __future__ import annotations

import ast
import textwrap
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from support.interpreters import ROOT, interpreters

SIZES = {"QLIMIT": 1000, "NPROCS": 3, "UPTO": 30}


@dataclass(frozen=True)
class Program:
    """A program from a test file of coverage's, put together from `parts`, with a gate.

    A part is a string constant of that name, or the text in the test function of that name.  The
    gate is added after the only line that contains `behind`.
    """

    file: str
    parts: tuple[str, ...]
    behind: str
    concurrency: tuple[str, ...] = ("thread",)

    def text(self, gate: str) -> str:
        """Return the program's source, with the line `gate` added."""
        pieces = [pieces_of(self.file)[part] for part in self.parts]
        whole = "".join(pieces)
        if len(pieces) > 1 or "{QLIMIT}" in whole:
            whole = whole.format(**SIZES)
        lines = textwrap.dedent(whole).splitlines()
        (place,) = (number for number, line in enumerate(lines) if self.behind in line)
        indent = lines[place][: -len(lines[place].lstrip())]
        lines.insert(place + 1, indent + gate)
        return "\n".join(lines) + "\n"


def tests_of_coverage() -> Path:
    """Return the folder with coverage's tests, which `make interpreters` has provided."""
    wanted = tomllib.loads((ROOT / "tools" / "interpreters.toml").read_text())
    site = Path(interpreters()[0].site)
    return site.parent.parent / f"coverage-{wanted['coverage']['tests']}-tests"


@cache
def pieces_of(file: str) -> dict[str, str]:
    """Return the source texts in a file of coverage's tests, by name of constant or function."""
    found = {}
    for node in ast.walk(ast.parse((tests_of_coverage() / file).read_text())):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            value = node.value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                found[node.targets[0].id] = value.value
        elif isinstance(node, ast.FunctionDef):
            texts = [text for text in strings(node) if text.count("\n") > 2]
            if texts:
                found[node.name] = texts[0]
    return found


def strings(node: ast.FunctionDef) -> list[str]:
    """Return the strings in a function, in their order, without its docstring."""
    doc = ast.get_docstring(node, clean=False)
    inner = [one for one in ast.walk(node) if isinstance(one, ast.Constant)]
    inner.sort(key=lambda one: (one.lineno, one.col_offset))
    return [one.value for one in inner if isinstance(one.value, str) and one.value != doc]


CONCURRENT = {
    "threads": Program(
        "test_concurrency.py", ("THREAD", "SUM_RANGE_Q", "PRINT_SUM_RANGE"), "c.start()"
    ),
    "gevent": Program(
        "test_concurrency.py",
        ("GEVENT", "SUM_RANGE_Q", "PRINT_SUM_RANGE"),
        "c.start()",
        ("gevent",),
    ),
    "simple": Program("test_concurrency.py", ("SIMPLE",), "total += i"),
    "greenlet": Program("test_concurrency.py", ("test_greenlet",), "print(u)", ("greenlet",)),
    "threads with gevent": Program(
        "test_concurrency.py", ("test_threads_with_gevent",), "q.put(1)", ("thread", "gevent")
    ),
    "async": Program("test_arcs.py", ("test_async",), "Compute"),
    "async for": Program("test_arcs.py", ("test_async_for",), "print(letter)"),
}
OF_PROCESSES = {
    "pool": Program(
        "test_concurrency.py", ("SQUARE_OR_CUBE_WORK", "MULTI_CODE"), "set_start_method"
    ),
    "fork": Program("test_process.py", ("test_fork",), "parent,"),
    "terminated": Program(
        "test_concurrency.py", ("test_sigterm_multiprocessing_saves_data",), "START"
    ),
}
