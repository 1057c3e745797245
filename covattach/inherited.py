"""The environment and the standard streams of covattach, put in order before anything else.

complete_streams()      no file of ours gets the number of a closed stream, as by `2>&-`
measure_nothing()       stop a coverage that the environment has started in this process
given()                 the environment as it was, for commands of the user's
"""

from __future__ import annotations

import os
import sys

STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))
# Each has coverage measure every Python that inherits it, through a .pth file.
MEASURING = ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")

taken: dict[str, str] = {}


def complete_streams() -> None:
    """Open /dev/null in place of each closed standard stream (file descriptors 0 to 2).

    The new descriptors are not inherited: in a command of the user's the stream is closed as
    before.
    """
    for number, (name, mode) in enumerate(STREAMS):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
            if opened != number:
                os.dup2(opened, number, inheritable=False)
                os.close(opened)
        if getattr(sys, name) is None:
            stream = open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)


def measure_nothing() -> None:
    """Stop a coverage that measures covattach itself, and have none start in our child processes.

    It would measure our making of reports, overwrite the user's data, and keep us from attaching to
    the sample server.
    """
    for name in MEASURING:
        if name in os.environ:
            taken[name] = os.environ.pop(name)
    starting = getattr(sys.modules.get("coverage"), "process_startup", None)
    measuring = getattr(starting, "coverage", None)
    if measuring is not None:
        measuring.stop()
        measuring._auto_save = False  # its data is about covattach, and of no use


def given() -> dict[str, str]:
    """Return the environment that covattach was started with."""
    return {**os.environ, **taken}
