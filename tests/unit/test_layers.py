"""Imports point one way: from commands down to errors, part by part, and nothing in a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
# The parts, the highest first: each imports from those below it only.  Parts in one line know
# nothing of each other.  A name is a folder, or a module that lies beside the folders.
LAYERS = (
    "__main__",
    "cli",
    "commands",
    "run record trace diagnose",
    "attach",
    "injector",
    "injector.x86_64",
    "session",
    "reports",
    "reports.import_time",
    "snapshot",
    "files",
    "process",
    "budget terminal",
    "deadline errors inherited interrupts untrusted",
    "__init__",
)
HEIGHTS = {part: height for height, line in enumerate(LAYERS[::-1]) for part in line.split()}
Imports = dict[str, set[str]]


def name_of(path: Path, root: Path) -> str:
    """Return the name of a module below the package in `root`; of a folder's own, the folder's."""
    name = ".".join(path.relative_to(root).with_suffix("").parts)
    return name.removesuffix(".__init__")


def imported(module: str, tree: ast.AST, known: set[str]) -> Iterator[str]:
    """Yield the modules of ours that a module imports, anywhere in it, for type checkers too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            head, _, rest = name.partition(".")
            if head == "covattach" and not rest.startswith("payloads"):
                yield rest if rest in known else rest.rpartition(".")[0] or "__init__"


def imports_in(root: Path) -> Imports:
    """Return the imports of each module below `root`."""
    trees = {
        name_of(path, root): ast.parse(path.read_text(encoding="utf-8"))
        for path in root.rglob("*.py")
    }
    return {name: set(imported(name, tree, set(trees))) for name, tree in trees.items()}


def part_of(module: str) -> str:
    """Return the part that a module belongs to: the innermost folder, or itself."""
    return module if module in HEIGHTS else module.rpartition(".")[0]


def upward(imports: Imports) -> list[str]:
    """Return the imports that point upwards, or to a neighbour."""
    return [
        f"{module} imports {other}"
        for module, others in sorted(imports.items())
        for other in sorted(others)
        if part_of(module) != part_of(other) and HEIGHTS[part_of(module)] <= HEIGHTS[part_of(other)]
    ]


def circles(imports: Imports) -> list[str]:
    """Return the modules that import each other, be it through others."""
    left = dict(imports)
    while free := [name for name, others in left.items() if not others & set(left)]:
        for name in free:
            del left[name]
    while free := [name for name in left if all(name not in others for others in left.values())]:
        for name in free:
            del left[name]
    return sorted(left)


@pytest.fixture(scope="module")
def imports() -> Imports:
    """Return the imports of all modules of covattach."""
    return imports_in(ROOT / "covattach")


def test_every_part_has_its_height(imports: Imports) -> None:
    """A new folder has to be put in its place here."""
    assert {part_of(module) for module in imports} - set(HEIGHTS) == set()


def test_imports_point_downwards(imports: Imports) -> None:
    """No part imports from one above it, or beside it."""
    assert upward(imports) == []


def test_no_circle(imports: Imports) -> None:
    """No modules import each other, within a part either."""
    assert circles(imports) == []


def test_one_module_chooses_the_architecture(imports: Imports) -> None:
    """Another processor's package can move in without a change elsewhere."""
    package = "injector.x86_64"
    users = {
        module
        for module, others in imports.items()
        if any(part_of(other) == package for other in others) and part_of(module) != package
    }
    assert users == {"injector.architecture"}


@pytest.mark.parametrize(
    ("module", "line", "wrong"),
    [
        ("process.elf", "from covattach.session import tree", True),  # upwards
        ("errors", "import covattach.cli", True),
        ("trace.tracing", "from covattach.record.recording import Recording", True),  # beside
        ("session.folder", "def late():\n    from covattach.attach import attach_process", True),
        ("session.tree", "from covattach.process.elf import read", False),
    ],
)
def test_a_wrong_import_is_found(imports: Imports, module: str, line: str, wrong: bool) -> None:
    """One import in the wrong direction is told, wherever it stands in the module."""
    # GIVEN our imports / WHEN a module imports one more
    more = set(imported(module, ast.parse(line), set(imports)))
    found = upward({**imports, module: imports[module] | more})
    # THEN that one is found, if it is wrong
    assert found == ([f"{module} imports {more.pop()}"] if wrong else [])


def test_a_circle_is_found(imports: Imports) -> None:
    """Two modules of one part that import each other are told, with all that are between."""
    # GIVEN our imports / WHEN the lower of two modules imports the higher one
    found = circles({**imports, "session.folder": imports["session.folder"] | {"session.tree"}})
    # THEN both are found
    assert {"session.folder", "session.tree"} <= set(found)
