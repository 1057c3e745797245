"""10,000 attaches over every hazard that is known: nothing dies, hangs or is corrupted.

docs/hazards.md is made of the figures (tools/stress_tables.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from conftest import Interpreter
from hazards import HAZARDS, Hazard
from running import Target
from states import Figures

pytestmark = [pytest.mark.stress, pytest.mark.timeout(1800)]
ATTACHES = 200  # at least so many for each hazard, over all versions that it can be had on


@pytest.mark.pythons("3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15")
@pytest.mark.parametrize("hazard", HAZARDS, ids=lambda hazard: hazard.name)
def test_hazard(
    interpreter: Interpreter,
    hazard: Hazard,
    launch: Callable[..., Target],
    record_property: Callable[[str, object], None],
) -> None:
    """A target in that state survives attach after attach, each of which measures or refuses."""
    record_property("hazard", hazard.name)
    record_property("python", "{}.{}".format(*interpreter.minor))
    if not hazard.is_there(interpreter.minor):
        return record_property("attaches", 0)
    target = hazard.launch(launch, interpreter)
    figures = Figures()
    done = 0
    try:
        for _ in range(math.ceil(ATTACHES / hazard.versions)):
            hazard.attach(target, figures)
            done += 1
    finally:
        record_property("attaches", done)
        record_property("refused", done - len(figures.pauses))
        record_property("dead", target.popen.poll() is not None)
    return None
