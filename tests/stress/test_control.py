"""The control: that the targets which look at their memory and registers would see harm.

gdb before 14 puts vector registers back wrongly after a call where an AMD processor has AVX-512.
covattach makes no such call; here one is made, and the target is to notice.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
from pathlib import Path

import pytest
from support.interpreters import newest
from support.targets import Launch, Target

from covattach.injector.gdb_settings import OPTIONS
from covattach.process.interpreter import find_interpreter
from covattach.process.process import Process

pytestmark = [pytest.mark.stress, pytest.mark.timeout(600)]
HARMED = 99  # exit status of a target that found something changed
MOST = 40  # calls, each of which harms a copying target in two of five cases at least
MOMENT = 0.3  # seconds


@pytest.mark.parametrize("minor", ["3.11", "3.13"])
@pytest.mark.parametrize("state", ["copying", "spinning"])
def test_a_call_by_gdb_is_seen(minor: str, state: str, launch: Launch) -> None:
    """A plain call of a function that does nothing corrupts the target, which says so."""
    if not errs_here():
        pytest.skip("this gdb, on this processor, puts all registers back: nothing to see")
    # GIVEN a target that looks whether its memory, or its registers, are as they were
    target = launch(newest(minor), "states.py", state)

    # WHEN gdb calls a function in it as often as it takes
    calls = 1
    call(target)
    while not is_harmed(target) and calls < MOST:
        calls += 1
        call(target)

    # THEN it does not take many
    print(f"harmed after {calls} calls")
    assert target.wait() == HARMED


def errs_here() -> bool:
    """Whether this is a gdb, and a processor, of which it is known that they do not go together."""
    said = subprocess.run(["gdb", "--version"], capture_output=True, text=True, check=True).stdout
    version = re.search(r"(\d+)\.\d+", said.splitlines()[0])
    processor = Path("/proc/cpuinfo").read_text()
    amd = "AuthenticAMD" in processor and "avx512f" in processor
    return amd and version is not None and int(version[1]) < 14


def call(target: Target) -> None:
    """Have gdb call a function of the interpreter's, with the registers as gdb knows them."""
    functions = find_interpreter(Process(target.pid)).functions
    commands = (
        "set language c",
        "handle all nostop noprint pass",
        f"exec-file /proc/{target.pid}/exe",
        f"attach {target.pid}",
        f"output ((int (*)(void)) {functions['PyGILState_Check']:#x})()",
        "detach",
    )
    words = [part for option in OPTIONS for part in ("-iex", option)]
    words += [part for command in commands for part in ("-ex", command)]
    subprocess.run(
        ["gdb", "-nx", "-nh", "-q", "-batch", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )


def is_harmed(target: Target) -> bool:
    """Whether it ends by itself within a moment, in which it looks more than once."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        target.popen.wait(MOMENT)
    return target.popen.poll() is not None
