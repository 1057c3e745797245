"""Attaching to a tree: a process, and all of its descendants that run Python, side by side."""

from __future__ import annotations

import contextlib
import os
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from covattach.attach import attach_process
from covattach.attach.attach_process import DONE, Options, Tell
from covattach.errors import CovattachError, NoTarget, NotNow
from covattach.process import procfs_errors
from covattach.process.descendants import descendants
from covattach.process.interpreter import find_interpreter
from covattach.process.process import Process
from covattach.session.session import Count, Session
from covattach.session.tree import Tree

AT_ONCE = 6 * (os.cpu_count() or 1)  # attaches: most of the time they wait for their targets
EVERY = 30.0  # seconds between two autosaves, unless told otherwise: workers may be killed


@dataclass
class Attached:
    """The result of attaching to a tree: the first session, and each PID's facts or error.

    A NoTarget in `failed` is not reported: the process runs no Python, or has ended meanwhile.
    """

    first: Session
    facts: dict[int, dict[str, Any]] = field(default_factory=dict)
    failed: dict[int, CovattachError] = field(default_factory=dict)

    @property
    def failures(self) -> dict[int, CovattachError]:
        """The errors to be reported: all but NoTarget."""
        return {pid: e for pid, e in self.failed.items() if not isinstance(e, NoTarget)}

    @property
    def done(self) -> int:
        """The number of processes that have facts or an error."""
        return len(self.facts) + len(self.failed)


def start(pid: int, options: Options, tell: Tell, warn: Tell, count: Count) -> Attached:
    """Attach to `pid` and all of its descendants, also those that are born meanwhile.

    `tell` and `warn` are as for `attach_process.start`, of the first process.  `count` is called
    with the number of processes attached to, and of all.  Raises the errors of
    `attach_process.start` for the first; the failures of others are in the result.  An interruption
    leaves all of them as they were.
    """
    options = replace(options, every=options.every or EVERY).begun()

    def told(words: str) -> None:
        if words != DONE:
            tell(words)

    try:
        session, facts = attach_process.start(pid, replace(options, tree=""), told, warn)
    except NoTarget as error:
        raise with_descendant(pid, error) from None
    if facts["already"] and facts.get("tree") != session.folder.path_in_target:
        raise NotNow(
            f"Process {pid} is measured already, but alone.",
            f"End that first: `covattach stop {pid}`; then start again with --tree.",
        )
    found = Attached(session, {pid: facts})
    whole = absolute(session.facts.get("settings") or {}, session.cwd)
    key = str(session.facts.get("key", ""))
    others = replace(options, tree=session.folder.path_in_target, key=key, wanted=whole)
    try:
        while left := [one for one in descendants(pid) if is_left(one, found)]:
            if others.until().is_over:  # a server may start others all the time
                found.failed.update({one: too_late(one) for one in left})
                break
            attach_to(left, others, found, count)
    except BaseException:
        if not facts["already"]:
            Tree(session.folder, pid).stop()
        raise
    tell(DONE)
    return found


def too_late(pid: int) -> NotNow:
    """Return the error for a descendant for which no time was left."""
    return NotNow(
        f"Process {pid} was found when the time for the tree was up.",
        "Give it longer: `--timeout 2m`.",
    )


def with_descendant(pid: int, error: NoTarget) -> NoTarget:
    """Return the error for a process that runs no Python, naming a descendant that does."""
    for one in descendants(pid):
        with contextlib.suppress(CovattachError, OSError):
            find_interpreter(Process(one))
            return NoTarget(
                f"Process {pid} is no Python that can be measured, but has started one.",
                f"Begin with that: `covattach start {one} --tree`.",
            )
    return error


def is_left(pid: int, found: Attached) -> bool:
    """Whether descendant `pid` has still to be attached to: `found` has neither facts nor error."""
    return pid not in found.facts and pid not in found.failed


def attach_to(pids: list[int], options: Options, found: Attached, count: Count) -> None:
    """Attach to the processes `pids`, up to AT_ONCE side by side, and note the results in `found`.

    `count` is called after each with the number of processes that are done, and of all.
    """
    total = found.done + len(pids)
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        futures = {pool.submit(attach_one, pid, options, found): pid for pid in pids}
        for future in as_completed(futures):
            pid = futures[future]
            try:
                with procfs_errors.made_sense():
                    found.facts[pid] = future.result()
            except CovattachError as error:
                found.failed[pid] = error
            except OSError:  # its files in /proc have gone with it
                found.failed[pid] = NoTarget(f"Process {pid} has ended.", "Look for its successor.")
            count(found.done, total)
    finally:
        pool.shutdown(cancel_futures=True)


def attach_one(pid: int, options: Options, found: Attached) -> dict[str, Any]:
    """Attach to one of the descendants and return the facts.

    Raises NoTarget if it has ended meanwhile, and the errors of `attach_process.start`.  A child
    that is measured from birth cannot be attached to before its agent listens: it is waited for.
    """
    try:
        return attach_process.start(pid, options, attach_process.nobody)[1]
    except (CovattachError, OSError):  # its files in /proc may be gone, too
        if not Process(pid).is_alive():
            raise NoTarget(f"Process {pid} has ended.", "Look for its successor.") from None
        whole = Tree(found.first.folder, found.first.pid)
        whole.wait_for_newborns()
        if pid in whole.pids:
            return attach_process.start(pid, options, attach_process.nobody)[1]
        raise


def absolute(settings: dict[str, Any], cwd: Path) -> dict[str, Any]:
    """Return settings whose paths are absolute, made so with `cwd`."""
    whole = dict(settings)
    for name in ("run:include", "run:omit", "report:include", "report:omit"):
        if name in whole:
            whole[name] = [p if p.startswith(("*", "?")) else str(cwd / p) for p in whole[name]]
    for name in ("run:source", "run:source_dirs"):
        if name in whole:
            whole[name] = [str(cwd / one) if (cwd / one).is_dir() else one for one in whole[name]]
    return whole
