"""The list of hazards: first the states of states.py, then those of odd programs and hosts."""

from __future__ import annotations

from support import filters
from support.cycles import BLOCKED, BUSY, call_later
from support.hazards import (
    Allowing,
    Embedding,
    Hazard,
    Loading,
    SmallStacks,
    as_it_was,
    asking,
    begin_python,
    break_agent,
    doing,
    let_go,
    nothing,
    shared,
    static,
)

LEFT = "ends by itself as soon as Python can run there"


def filtering(name: str, action: str, number: int, **more: object) -> Hazard:
    """Return the hazard of a seccomp filter that does `action` at the system call `number`."""
    return Hazard(name, "filtered.py", (action, "deny", str(number)), **more)  # type: ignore[arg-type]


def closing(name: str, act: str) -> Hazard:
    """Return the hazard of a target that harms our descriptors, by the expression `act`."""
    tidy = "[os.close(one) for one in taken], [one.close() for one in files]"
    return Hazard(
        name,
        "closing.py",
        ("with",),
        meanwhile=doing(act),
        after=asking(
            ("[fork(), harm()]", [0, []]),
            (f"len([{tidy}, taken.clear(), files.clear()])", 4),
        ),
    )


def replacing(name: str, how: str, **more: object) -> Hazard:
    """Return the hazard of a target that has replaced library functions, in the way `how`."""
    usual = {"prepare": asking(("replace()", None)), "after": asking(("called", []))}
    return Hazard(name, "replaced.py", (how,), **{**usual, **more})  # type: ignore[arg-type]


def forking(name: str, how: str) -> Hazard:
    """Return the hazard of a server that forks: during no fork may a thread of ours be there."""
    alone = asking(("[fork(), fork()]", [[1], [1]]), ("len(set(statuses) - {0})", 0))
    return Hazard(
        name,
        "forks.py",
        (how,),
        meanwhile=lambda target: (call_later(target), alone(target))[-1],
        after=alone,
    )


EARLIER = (
    *(Hazard(state) for state in (*BUSY, *BLOCKED)),
    *(Hazard(state) for state in ("forking", "flocked", "thousand", "vast")),
    *(Hazard(state) for state in ("spinning", "asleep")),
)
PRESENCE = (
    Loading(
        "Python not begun",
        arguments=("never",),
        where=shared,
        after=nothing,
        finish=begin_python,
        refused="There is no Python in process",
    ),
    Loading(
        "Python ended",
        arguments=("finalised",),
        where=shared,
        after=nothing,
        finish=begin_python,
        refused="There is no Python in process",
    ),
    Embedding("embedded, idle", "embedded.py", ("released",), static),
    Embedding("embedded, with a subinterpreter", "embedded.py", ("sub",), static),
    Loading("loaded, idle", "embedded.py", ("released",), shared),
    Loading(
        "keeps the GIL while it waits",
        "embedded.py",
        ("kept",),
        shared,
        refused="keeps the GIL while it waits|gdb did not get hold",  # on a loaded machine
        timeout=1.5,
    ),
    Hazard(
        "the GIL goes away",
        "keeping.py",
        ("-",),
        after=let_go,
        refused=LEFT,
        timeout=3,
    ),
    Hazard("in a subinterpreter", arguments=("subinterpreter",)),
    Hazard("beside a thread of C", arguments=("beside_native",)),
    Hazard("beside a subinterpreter", arguments=("beside_subinterpreter",)),
)
SECCOMP = (
    filtering("seccomp: kills", "kill", filters.SOCKET, refused="may kill it at system calls"),
    filtering("seccomp: traps", "trap", filters.SOCKET, refused="may kill it at system calls"),
    filtering("seccomp: refuses what we need", "error", filters.SOCKET, refused="not permitted"),
    filtering("seccomp: refuses other things", "error", filters.MOUNT),
    Allowing("seccomp: allows what we need", "filtered.py"),
)
FIRST_LINE = (
    SmallStacks("small stacks", "stacks.py"),
    Hazard("alternate stack", "stacks.py", ("alternate",)),
    Hazard("a timer raises", "limited.py", after=asking(("count.get('lost')", None))),
    Hazard("a timer raises in new code", "raising.py", after=asking(("fresh()", True))),
)
FORKS = (forking("forks 40 times a second", "often"), forking("forks after a sleep", "sleep"))
DESCRIPTORS = (
    closing("closes all descriptors", "close('range')"),
    closing("closes half of them", "close('half')"),
    closing("closes those that it lists", "close('listed')"),
    closing("takes our numbers", "take_over()"),
    Hazard("without 0, 1, 2", "closing.py", ("without",), after=asking(("harm()", []))),
)
REPLACED = (
    replacing("clocks stand still", "clocks"),
    replacing(
        "clocks stop meanwhile",
        "clocks",
        prepare=nothing,
        meanwhile=doing("replace()"),
        lasts=False,
    ),
    replacing("functions are guarded", "guarded"),
    replacing("functions are gone", "emptied"),
    replacing(
        "nothing may be executed",
        "withheld",
        after=as_it_was,
        refused="builtins.exec is not to be used",
    ),
    replacing("no file may be opened", "audited", refused="no file is to be opened"),
)
FAULTS = (Hazard("our agent fails", "idle.py", ("event",), meanwhile=break_agent),)

HAZARDS = (
    *EARLIER,
    *PRESENCE,
    *SECCOMP,
    *FIRST_LINE,
    *FORKS,
    *DESCRIPTORS,
    *REPLACED,
    *FAULTS,
)
