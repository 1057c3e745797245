"""Session after session: the target keeps nothing of them, however many there were."""

from __future__ import annotations

from collections import Counter

import pytest
from support.interpreters import Interpreter
from support.targets import Launch, Target

from covattach.attach import attach_process

EVERY = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15")
KILOBYTES = 20  # a session may leave so much
PIECES = 50  # of memory, of 512 bytes at the most
FIRST = 5  # what stays for the next session is there after so many
# The garbage collector does not know code objects, but what refers to them.  No other thread is to
# run as long as there is a list of all objects: asyncio of 3.12 does not survive that.
CODES = """(lambda gc, code, interval: (gc.collect(), sys.setswitchinterval(1000), time.sleep(0.1),
    sorted(one.co_filename for one in gc.get_referents(*gc.get_objects()) if type(one) is code),
    sys.setswitchinterval(interval),
)[3])(__import__("gc"), type(main.__code__), sys.getswitchinterval())"""

FORK = """(lambda os: (lambda pid: os.waitpid(pid, 0)[1] if pid else os._exit(0))(os.fork()))(
    __import__("os"))"""


def cycle(target: Target, **given: object) -> str:
    """Attach, have something executed, and stop; return the core that measured."""
    options = attach_process.Options(given={f"run:{name}": value for name, value in given.items()})
    found, facts = attach_process.start(target.pid, options, print)
    try:
        target.ask("later(3)")
        snapshot = found.snapshot().snapshot
    finally:
        found.stop()
    assert any(name.endswith("mixture.py") for name in snapshot.files), "nothing was measured"
    return str(facts["core"])


def kilobytes(target: Target) -> int:
    """Return the target's resident memory."""
    return int(target.status("VmRSS").split()[0])


def blocks(target: Target) -> int:
    """Return how many pieces of memory Python has given out, garbage left out."""
    found: int = target.ask("(__import__('gc').collect(), sys.getallocatedblocks())[1]")
    return found


def codes(target: Target) -> Counter[str]:
    """Return the files of ours and of coverage that the target has code of, and of how much."""
    names = target.ask(" ".join(CODES.split()))
    return Counter(name for name in names if name[0] == "<" or "/coverage/" in name)


def sessions(target: Target, count: int, branch: bool) -> tuple[str, int]:
    """Measure a target `count` times, after FIRST times; return the core, and the blocks left.

    Blocks of memory of the first sessions are not counted.  Fails if a descriptor, a thread, a tool
    id or a code object stays.
    """
    for _ in range(FIRST):
        core = cycle(target, branch=branch)
    known, before, begun = codes(target), target.residue(), blocks(target)
    for _ in range(count):
        cycle(target, branch=branch)
    target.assert_untouched(before)
    assert codes(target) - known == Counter()
    return core, blocks(target) - begun


@pytest.mark.pythons("3.11", "3.14")
def test_a_few(interpreter: Interpreter, launch: Launch) -> None:
    """Twenty sessions leave no piece of code, and less than fifty of memory each."""
    target = launch(interpreter, "mixture.py")
    core, left = sessions(target, 20, branch=False)
    print(f"{interpreter.id} {core}: {left} pieces of memory")
    assert left < 20 * PIECES


@pytest.mark.pythons("3.9", "3.11", "3.14", stress=("3.10", "3.12", "3.13", "3.15"))
def test_a_fork_in_a_later_session(interpreter: Interpreter, launch: Launch) -> None:
    """The agent's thread, which is gone while the target forks, comes back in each session."""
    # GIVEN a target that was measured before, and is measured now
    target = launch(interpreter, "mixture.py")
    cycle(target)
    cycle(target)
    found, _ = attach_process.start(target.pid, attach_process.Options(), print)

    # WHEN it forks, twice / THEN the agent still answers
    for _ in range(2):
        assert target.ask(" ".join(FORK.split())) == 0
        snapshot = found.snapshot().snapshot
    assert any(name.endswith("mixture.py") for name in snapshot.files)
    found.stop()


@pytest.mark.pythons("3.9", "3.12", "3.14", stress=("3.11", "3.13", "3.15"))
@pytest.mark.parametrize("branch", [False, True], ids=["lines", "branches"])
def test_nothing_waits_for_the_garbage_collector(
    interpreter: Interpreter, branch: bool, launch: Launch
) -> None:
    """The objects of a session are freed when it ends, without the garbage collector."""
    # GIVEN a target that was measured before, in which garbage stays
    target = launch(interpreter, "mixture.py")
    cycle(target, branch=branch)
    target.ask("(gc := __import__('gc')).collect(), gc.disable()")

    # WHEN it is measured again / THEN no garbage is left, unless a thread was in coverage's code
    left = []
    for _ in range(3):
        cycle(target, branch=branch)
        left.append(target.ask("__import__('gc').collect()"))
    assert min(left) == 0, left


@pytest.mark.stress
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("branch", [False, True], ids=["lines", "branches"])
@pytest.mark.pythons(*EVERY)
def test_a_hundred(interpreter: Interpreter, branch: bool, launch: Launch) -> None:
    """A hundred sessions leave less than 20 KB each, more than in one that nobody attaches to."""
    # GIVEN a target that was measured some times before, and one beside it that was not
    target, control = launch(interpreter, "mixture.py"), launch(interpreter, "mixture.py")
    sessions(target, 1, branch)
    begun = [kilobytes(target), kilobytes(control)]

    # WHEN it is measured many times more
    core, left = sessions(target, 100, branch)
    for _ in range(100):
        control.ask("later(3)")
    blocks(control), codes(control)

    # THEN it has grown by little
    grown, beside = kilobytes(target) - begun[0], kilobytes(control) - begun[1]
    each = (grown - beside) / 100
    print(f"{interpreter.id} {core}: 100 sessions leave {each:.1f} KB and {left / 100} pieces each")
    print(f"{grown} KB in all, control {beside} KB")
    assert each <= KILOBYTES
    assert left < 100 * PIECES
