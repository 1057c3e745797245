"""The payload modules are all loaded, in the order of their imports, which go one way."""

from __future__ import annotations

import ast
import shutil
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest
from covattach.payloads import launch
from covattach.payloads.module_loader import MODULES, PARTS

from covattach.attach import compile_payloads

PAYLOADS = Path(str(files("covattach.payloads")))
PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
ALONE = {"start", "dump", "stop", "startup.sitecustomize"}  # which are executed by themselves
# A part imports those of lower floors only.  "" are the modules that are in no part.
FLOORS = {
    "agent": 6,
    "trace": 5,
    "measure": 4,
    "snapshot": 3,
    "processes": 3,
    "coverage_import": 2,
    "server": 2,
    "interpreter": 1,
    "": 0,
}
CORES = ("measure.ctrace", "measure.sysmon")  # which know nothing of each other


def modules(folder: Path) -> dict[str, Path]:
    """Return the modules in a folder with its packages: dotted name to file."""
    files = (path for path in folder.rglob("*.py") if path.name != "__init__.py")
    return {".".join(path.relative_to(folder).with_suffix("").parts): path for path in files}


def imported(name: str, path: Path, known: dict[str, Path]) -> Iterator[str]:
    """Yield the modules of ours that a module imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            above = name.split(".")[: -node.level]
            base = [*above, *(node.module or "").split(".")] if node.module else above
            for one in (base, *([*base, alias.name] for alias in node.names)):
                if ".".join(one) in known:
                    yield ".".join(one)


def mistakes(folder: Path) -> list[str]:
    """Return the imports that go up, from one core to the other, or in a circle."""
    known = modules(folder)
    arrows = {name: set(imported(name, path, known)) for name, path in known.items()}
    found = []
    for name, targets in arrows.items():
        for target in targets:
            part, other = (one.partition(".")[0] if "." in one else "" for one in (name, target))
            cores = {one.rpartition(".")[0] for one in (name, target)}
            if (part != other and FLOORS[part] <= FLOORS[other]) or cores == set(CORES):
                found.append(f"{name} imports {target}")
    return found + [f"{name} imports itself" for name in arrows if name in reached(name, arrows)]


def reached(name: str, arrows: dict[str, set[str]]) -> set[str]:
    """Return the modules that a module imports, directly or by others."""
    found: set[str] = set()
    waiting = list(arrows[name])
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += arrows[one]
    return found


def test_all_modules_are_loaded_in_order() -> None:
    """Each module is in the loader's list, once, behind all that it imports."""
    known = modules(PAYLOADS)
    assert sorted([*launch.FIRST, *MODULES, *ALONE]) == sorted(known)
    for place, name in enumerate(MODULES):
        late = set(imported(name, known[name], known)) - set(MODULES[:place])
        assert not late, f"{name} is executed before {', '.join(late)}"


def test_all_parts_are_packages() -> None:
    """Each part is a folder with a line about it, and in the loader's list; so is no other."""
    parts = {name.rpartition(".")[0] for name in MODULES} - {""}
    assert sorted(parts) == sorted(PARTS)
    assert {name.partition(".")[0] for name in parts} | {""} == set(FLOORS)
    for part in parts:
        text = (PAYLOADS / part.replace(".", "/") / "__init__.py").read_text()
        assert ast.get_docstring(ast.parse(text))


def test_first_modules_are_the_same_on_both_sides() -> None:
    """The modules that are executed first have one order, which three files tell."""
    assert compile_payloads.FIRST == launch.FIRST
    assert repr(launch.FIRST) in compile_payloads.COMPILER
    assert repr(launch.FIRST[1:4]).replace("'", '"') in (PAYLOADS / "bootstrap.py").read_text()


def test_imports_go_down() -> None:
    """Parts import lower ones only; no core imports the other; no modules are in a circle."""
    assert mistakes(PAYLOADS) == []


@pytest.mark.parametrize(
    ("module", "line", "mistake"),
    [
        ("interpreter.frames", "from ..agent import session", "interpreter.frames imports agent."),
        ("snapshot.windows", "from ..processes.tree import Tree", "snapshot.windows imports proc"),
        ("errors", "from .server import protocol", "errors imports server.protocol"),
        ("measure.sysmon.adoption", "from ..ctrace import tracers", "measure.sysmon.adoption impo"),
        ("server.clients", "from .protocol import send", "server.clients imports itself"),
    ],
)
def test_a_wrong_import_is_found(tmp_path: Path, module: str, line: str, mistake: str) -> None:
    """An import that is turned round is found."""
    folder = tmp_path / "payloads"
    shutil.copytree(PAYLOADS, folder)
    with modules(folder)[module].open("a") as file:
        file.write(f"\n{line}\n")
    assert any(one.startswith(mistake) for one in mistakes(folder))


def test_all_packages_are_installed() -> None:
    """Each folder of payload modules is in the list of installed packages."""
    configured = tomllib.loads(PYPROJECT.read_text())["tool"]["setuptools"]["packages"]
    packages = ["covattach.payloads", *(f"covattach.payloads.{part}" for part in PARTS)]
    assert sorted(one for one in configured if "payloads" in one) == sorted(packages)
