"""Fixtures shared by all tests: interpreters, and processes that are run and ended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.register_assert_rewrite("support")
pytest_plugins = ["support.resumable"]

from support.command import Covattach  # noqa: E402
from support.interpreters import Interpreter, interpreters, newest  # noqa: E402
from support.targets import TARGETS, Launch, Target  # noqa: E402


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark by which a test says on which Pythons it runs."""
    config.addinivalue_line(
        "markers",
        "pythons(*minors, stress=()): run on one interpreter of each, on some under stress",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes `interpreter` on each, or on one of each minor that its mark names.

    Those that the mark names as `stress` are for `make stress`.  How an interpreter was built
    counts for an attach, but hardly for payloads: their tests run on one of each minor.
    """
    if "interpreter" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("pythons")
        chosen: list[Any] = [newest(minor) for minor in mark.args] if mark else interpreters()
        if not mark and metafunc.definition.path.parent.name == "payloads":
            last = {one.minor: one for one in chosen}.values()
            chosen = [one if one in last else stressed(one) for one in chosen]
        for minor in mark.kwargs.get("stress", ()) if mark else ():
            chosen.append(stressed(newest(minor)))
        metafunc.parametrize("interpreter", chosen, ids=lambda one: one.id)


def stressed(one: Interpreter) -> Any:
    """Return an interpreter as a parameter of tests for `make stress` only."""
    return pytest.param(one, id=one.id, marks=pytest.mark.stress)


@pytest.fixture
def covattach(tmp_path: Path) -> Covattach:
    """Return the command line, in a folder of its own."""
    folder = tmp_path / "ours"
    folder.mkdir()
    return Covattach(folder)


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Start targets; each is ended at the end, and must not have come to harm.

    `script` is a file in tests/targets; with `bare`, the first argument of the interpreter.
    """
    targets: list[Target] = []

    def start(
        interpreter: Interpreter,
        script: str | Path,
        *arguments: object,
        options: tuple[str, ...] = (),
        bare: bool = False,
        **how: Any,
    ) -> Target:
        folder = tmp_path / f"target{len(targets)}"
        folder.mkdir()
        environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": interpreter.site}
        environment.update(how.pop("env", {}))
        environment["PYTHONPATH"] += f":{TARGETS}"
        program = script if bare else TARGETS / script
        words = [interpreter.python, *options, program, *arguments]
        targets.append(Target(words, folder, env=environment, **how))
        targets[-1].line("ready")
        return targets[-1]

    yield start
    for target in targets:
        target.close()
