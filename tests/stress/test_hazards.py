"""10,000 attaches over every hazard that is known: nothing dies, hangs or is corrupted.

docs/hazards.md is made of the figures (tools/stress_tables.py).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.cycles import Figures
from support.hazard_list import HAZARDS
from support.hazards import Hazard
from support.interpreters import Interpreter
from support.targets import Launch

pytestmark = [pytest.mark.stress, pytest.mark.timeout(1800)]
CASES = [
    pytest.param(hazard, python, id=f"{hazard.name.replace(' ', '-')}-{python.id}")
    for hazard in HAZARDS
    for python in hazard.interpreters
]


@pytest.mark.parametrize(("hazard", "python"), CASES)
def test_hazard(
    hazard: Hazard,
    python: Interpreter,
    launch: Launch,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    """A target in that state survives attach after attach, each of which measures or refuses."""
    record_property("hazard", hazard.name)
    record_property("python", python.id)
    figures = Figures()
    done = 0
    target = hazard.launch(launch, python, tmp_path)
    try:
        for turn in range(hazard.rounds):
            if turn and not hazard.lasts:
                target = hazard.launch(launch, python, tmp_path)
            hazard.attach(target, figures)
            done += 1
        hazard.finish(target)
    finally:
        record_property("attaches", done)
        record_property("refused", done if hazard.refused else 0)
        record_property("dead", target.popen.poll() is not None)
