"""The code objects that coverage's sysmon core knows, without keeping them alive.

coverage keeps every code object that it has ever seen, because it tells them apart by their
address: 28 to 31 MB for 20,000 pieces of code that were made by `exec`.  Here each is referred to
weakly, and the facts about it go with it, before its address can be another's.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from types import CodeType
from typing import Any

from ...interpreter import frames
from ...interpreter.weak_code import DISCARD, Reference


def plain_lines(code: CodeType) -> frozenset[int]:
    """Return the lines of `code` with a definition on one line, `class C: ...`, and no branch.

    In a report of branches such a line has two possible successors: the end of the inner code, and
    the next line.
    """
    inner = {one.co_firstlineno for one in code.co_consts if isinstance(one, CodeType)}
    branches = getattr(code, "co_branches", None)  # 3.14, as is measuring branches
    if not inner or branches is None:
        return frozenset()
    starts = {start for start, _, _ in branches()}
    for first, last, line in code.co_lines():
        if line in inner and any(first <= start < last for start in starts):
            inner.discard(line)
    return frozenset(inner)


class WeakCodeObjects:
    """Replaces the list `code_objects` of a coverage.sysmon.SysMonitor, and keeps none alive."""

    def __init__(self, tracer: Any) -> None:
        """Take over the code objects that `tracer` knows already."""
        self.infos: dict[int, Any] = tracer.code_infos
        known, tracer.code_objects = tracer.code_objects, self
        for code in list(known):
            self.append(code)

    def append(self, code: CodeType) -> None:
        """Refer weakly to a code object that coverage has noted; when it ends, drop its facts."""
        info = self.infos[id(code)]
        reference = Reference(code, DISCARD)
        reference.discard = partial(self.infos.pop, id(code), None)
        info.reference = reference  # which lives as long as there is something to forget
        if info.byte_to_line is not None:
            join_only_certain_arcs(info, plain_lines(code))

    def __iter__(self) -> Iterator[CodeType]:
        """Yield the code objects that are alive."""
        references = [getattr(info, "reference", None) for info in list(self.infos.values())]
        for code in [reference() for reference in references if reference is not None]:
            if code is not None:
                yield code

    def discard(self) -> None:
        """Drop the weak references, and coverage's facts, which only garbage collection would free.

        Called when no event comes any more.  The facts stay if another thread is in our code or
        coverage's: callbacks rely on the facts about their code.
        """
        for info in list(self.infos.values()):
            vars(info).pop("reference", None)
        if frames.is_alone():
            self.infos.clear()

    def check(self, code: CodeType) -> None:
        """Forget the facts about another code object, now gone, that had the address of `code`.

        Such facts stay where a signal handler of the application's has raised in the middle of
        coverage's work.
        """
        info = self.infos.get(id(code))
        if info is not None:
            reference = getattr(info, "reference", None)
            if reference is None or reference() is not code:
                self.infos.pop(id(code), None)


WITH_CERTAIN_ARCS: dict[type, type] = {}


def join_only_certain_arcs(info: Any, plain: frozenset[int]) -> None:
    """Have coverage join two lines to an arc only where the first of them is in `plain`.

    `info` holds coverage's facts about a code object, and `plain` comes from `plain_lines`.
    coverage joins each line that is reported with the one that was reported before in the same code
    (`last_line`, coverage/sysmon.py).  But a line is reported once, and by whichever thread,
    generator or recursion comes first: such an arc may never have happened.  It is needed only
    behind a definition in one line, which can be followed by nothing but the next.
    """
    if not hasattr(info, "last_line"):
        return  # coverage before 7.15 joins nothing
    kind = type(info)
    if kind not in WITH_CERTAIN_ARCS:
        WITH_CERTAIN_ARCS[kind] = type(
            "CertainArcs" + kind.__name__, (kind,), {"last_line": LAST_LINE}
        )
    known = vars(info).pop("last_line", None)
    info.plain = plain
    info.__class__ = WITH_CERTAIN_ARCS[kind]
    info.last_line = known


def get_last_line(info: Any) -> Any:
    """Return the line reported last, if the next one is sure to have followed it, or None."""
    return vars(info).get("line")


def set_last_line(info: Any, line: Any) -> None:
    """Note `line`, the one reported last, if it is in `plain`; or else None."""
    vars(info)["line"] = line if line in info.plain else None


LAST_LINE = property(get_last_line, set_last_line)
