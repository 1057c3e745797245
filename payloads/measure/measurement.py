"""One measurement, from start to stop, with its live Coverage object: `sys.covattach`."""

from __future__ import annotations

import atexit
import sys
from _thread import RLock
from typing import Any

from ..coverage_import import coverage_package
from ..errors import CannotAdopt, do_all
from ..interpreter import frames, subinterpreters
from ..snapshot.snapshot import Snapshots
from . import (
    conflicts,
    core_choice,
    guard,
    isolation,
    live_coverage,
    source_search,
    thread_hook,
)
from .core import Core
from .registry import CORES, core_named, core_of


class Measurement:
    """A live Coverage object together with all changes that must be undone when it stops.

    `options` may hold `settings` (names and values for `Coverage.set_option`), `core` (sysmon or
    ctrace) and `brought` (for `import_coverage`, where the target has no coverage).  In it
    `is_only_thread` says whether the calling thread, the application's, is the process's only one.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        """Import coverage and construct the Coverage object; nothing is measured yet.

        Raises NoCoverage, Refused, and the errors of coverage for bad settings.
        """
        self.warnings: list[str] = []
        self.adoption: Core | None = None
        self.uses: Any = None
        self.is_measuring = True
        self.is_only_thread = bool(options.get("is_only_thread"))
        self.package, self.is_stashed = coverage_package.import_coverage(options.get("brought"))
        frames.add_package(self.package)
        self.search = source_search.SourceSearch()
        try:
            settings = dict(options.get("settings", {}))
            branch = bool(settings.get("run:branch"))
            best = core_choice.best_core(branch)
            asked = options.get("core") or best
            if self.is_only_thread and not core_choice.exists(asked):
                asked = best  # chosen for a tree, of which other processes have a newer Python
            conflicts.refuse_coverage(self.package.Coverage.current())
            # Where the core asked for cannot measure branches, coverage takes another by itself.
            core_named(asked if core_choice.can_measure(asked, branch) else best).refuse_conflicts()
            core = core_named(asked)
            core.prepare(branch)
            # Not the target's own run:concurrency: that is for programs that coverage starts, would
            # patch `multiprocessing`, and rule out sysmon, which need not tell greenlets apart.
            own = {"run:concurrency": core.concurrency(), "run:core": core.name}
            self.cov = live_coverage.construct(self.package, {**settings, **own}, self.note)
        except BaseException:
            self.stash_coverage()
            raise

    def note(self, message: str, slug: str | None = None, once: bool = False) -> None:
        """Keep a warning of coverage's for the user; this replaces `Coverage._warn`.

        Nothing is printed, as the target's stderr is the application's.  `slug` and `once`, which
        coverage passes too, are ignored.
        """
        if message not in self.warnings:
            self.warnings.append(message)

    def start(self) -> None:
        """Start to measure all threads and frames, also those that run already.

        On an error everything is undone, and the error is raised.  But CannotAdopt leads to a
        warning only.
        """
        try:
            live_coverage.initialize(self.cov)
            collector = self.cov._collector
            live_coverage.remove_locks(collector)
            isolation.have_own_stacks(self.cov)
            self.guard: Any = guard.Guard(self.cov, self.note)
            collector._installation_trace = thread_hook.ThreadHook(collector, self.note)
            kind, self.core = core_of(collector)
            with kind.beginning(self.cov):
                self.cov.start()
        except BaseException:
            do_all(*(core.undo_failed_start for core in CORES), self.stash_coverage)
            raise
        finally:
            atexit.unregister(self.cov._atexit)  # `autosave` saves at exit instead
        try:
            self.snapshots: Any = Snapshots(collector)
            self.snapshots.make_flush_lossless()
            self.adoption = kind(collector, self.guard)
            self.adoption.start(0 if self.is_only_thread else frames.own_ident())
            if subinterpreters.are_there():
                self.note(
                    "functions that run already are measured only once they are entered anew, as"
                    " there are subinterpreters with a GIL of their own"
                )
        except CannotAdopt as reason:
            self.note(f"only threads that start from now on are measured: {reason}")
        except BaseException:
            self.stop()
            raise
        sys.covattach = self.cov  # type: ignore[attr-defined]
        self.uses = isolation.Uses(self.package)

    def facts(self) -> dict[str, Any]:
        """Return the facts of the measurement: versions, core, branches, and warnings."""
        return {
            "python": ".".join(str(part) for part in sys.version_info[:3]),
            "coverage": self.package.__version__,
            "core": self.core,
            "branch": bool(self.cov.get_option("run:branch")),
            "warnings": [*self.warnings, *self.missed()],
        }

    def missed(self) -> list[str]:
        """Return the warnings about tools that have displaced our core, after looking again.

        Also has coverage decide again about files, and threads re-adopted, where this is due.
        Returns [] once measuring has stopped.  For the agent's thread only.
        """
        if self.adoption is None or not self.is_measuring:
            return []
        self.guard.retry()
        self.adoption.maintain()
        return self.adoption.warnings()

    def renew_lock(self) -> None:
        """Replace coverage's lock in a forked child: a thread that is gone may hold it."""
        collector = self.cov._collector
        if collector.data_lock is not None:
            collector.data_lock = RLock()

    def stop(self) -> None:
        """Stop measuring, and undo everything that was done; does nothing the second time.

        The measured data stay, for snapshots.  Every step is done, even if others raise.
        """
        was_measuring, self.is_measuring = self.is_measuring, False
        if not was_measuring:
            return
        steps = [self.cov.stop]
        if self.adoption is not None:
            steps.insert(0 if self.adoption.stops_first else 1, self.adoption.stop)
        do_all(self.remove_from_sys, self.uninstall_thread_hook, *steps, self.stash_coverage)

    def remove_from_sys(self) -> None:
        """Delete `sys.covattach`, unless that is another object by now."""
        if getattr(sys, "covattach", None) is self.cov:
            del sys.covattach  # type: ignore[attr-defined]

    def discard(self) -> None:
        """Free the measured data, which may be megabytes, once nobody can ask for them.

        All other objects are freed too, unless another thread is in our code or coverage's.  The
        garbage collector would leave their reference cycles for long, those of twenty sessions at a
        time.
        """
        cov, collector = self.cov, self.cov._collector
        self.snapshots.windows.discard()
        self.snapshots.batches.discard()
        collector.data.clear()
        if not frames.is_alone():
            return
        del collector.flush_data  # our replacement; coverage's is in the class
        collector.tracers = []
        cov._collector = cov._data = None
        if self.adoption is not None:
            self.adoption.discard()
        self.guard.discard()
        self.cov = self.snapshots = self.adoption = self.guard = None

    def uninstall_thread_hook(self) -> None:
        """Uninstall our hook for new threads, and have coverage's `stop` leave others' alone."""
        self.cov._collector._installation_trace.uninstall()
        self.cov._collector.threading = None

    def stash_coverage(self) -> None:
        """Stash coverage's modules if we have imported them and the application does not use them.

        coverage's own search for `--source` is restored in any case.
        """
        self.search.uninstall()
        if self.is_stashed and (self.uses is None or not self.uses.has_grown()):
            coverage_package.stash()
