"""One measurement: the live Coverage object, `sys.covattach`, from start to stop."""

from __future__ import annotations

import atexit
import sys
from _thread import RLock
from functools import lru_cache
from typing import Any

from ..coverage_import import coverage_package, lazy_import
from ..errors import CannotAdopt, NoCoverage, do_all
from ..interpreter import frames, greenlets, subinterpreters
from ..snapshot.snapshot import Snapshots
from . import conflicts, guard, isolation, source_search
from .core_choice import CORES, best_core
from .ctrace import thread_hook, tracers
from .ctrace.adoption import CtraceAdoption
from .sysmon.adoption import SysmonAdoption, give_back


class Measurement:
    """A live Coverage object together with all that must be undone when it stops.

    `options` may hold `settings` (names and values for `Coverage.set_option`), `core` (sysmon or
    ctrace), `brought` (for `coverage_package.bring`, where the target has no coverage), and `here`
    where this thread is the only one, and the application's.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        """Bring coverage in and construct the object.

        Raises library.NoCoverage, company.Refused, and what coverage raises for bad settings.
        """
        self.warnings: list[str] = []
        self.adoption: Any = None
        self.uses: Any = None
        self.is_on = True
        self.is_first = bool(options.get("here"))
        self.package, self.put_aside = coverage_package.bring(options.get("brought"))
        frames.know(self.package)
        self.looking = source_search.Looking()
        try:
            settings = dict(options.get("settings", {}))
            best = best_core(bool(settings.get("run:branch")))
            core = options.get("core") or best
            if self.is_first and core == "sysmon" and sys.version_info < (3, 12):
                core = best  # it was asked for in a tree, of which others are newer
            # Where sysmon cannot do it, coverage takes the C tracer, whatever was asked for.
            self.refuse_company("ctrace" if best == "ctrace" else core)
            self.cov = self.construct(settings, core)
        except BaseException:
            self.leave()
            raise

    def refuse_company(self, core: str) -> None:
        """Raise company.Refused where somebody else is there, whom ours would put out.

        sysmon does not: a debugger, a trace function and other tools work beside it.
        """
        conflicts.refuse_coverage(self.package.Coverage.current())
        if core == "sysmon":
            conflicts.refuse_full_house()
        else:
            conflicts.refuse_tracers()

    def construct(self, settings: dict[str, Any], core: str) -> Any:
        """Return a Coverage object that writes nothing and warns nobody but us."""
        # Not what the target's configuration says: that is about starting programs, would patch
        # `multiprocessing`, and keep coverage from sysmon, which need not tell greenlets apart.
        settings["run:concurrency"] = self.concurrency(core)
        if core == "ctrace":
            self.need_ctracer()
        elif settings.get("run:branch"):
            lazy_import.import_parsers()
        startup = getattr(sys.modules["coverage.control"], "process_startup", None)
        automatic: Any = getattr(startup, "coverage", None)
        saves = automatic._auto_save if automatic is not None else False
        # In memory only: where data goes is for the caller of a dump to say.
        cov = self.package.Coverage(data_file=None, config_file=False)
        if saves:
            automatic._auto_save = True  # constructing ours has switched it off
        for name, value in {**settings, "run:core": core}.items():
            cov.set_option(name, value)
        cov._warn = self.note
        cov._warn_no_data = cov._warn_unimported_source = False
        return cov

    @staticmethod
    def concurrency(core: str) -> list[str]:
        """Return how stacks are to be told apart: by thread, or by greenlet too."""
        # gevent and eventlet run greenlets: to coverage all three are the same.
        is_told = core == "ctrace" and greenlets.kind() is not None
        return ["greenlet", "thread"] if is_told else ["thread"]

    @staticmethod
    def need_ctracer() -> None:
        """Raise library.NoCoverage where coverage would fall back to its tracer in Python."""
        if not sys.modules["coverage.core"].CTRACER_FILE:  # type: ignore[attr-defined,unused-ignore]
            raise NoCoverage("this coverage has no C tracer for this interpreter")

    def note(self, message: str, slug: str | None = None, once: bool = False) -> None:
        """Keep a warning of coverage's for the user; the target's stderr is not ours."""
        if message not in self.warnings:
            self.warnings.append(message)

    def start(self) -> None:
        """Measure every thread and every frame, those that are running too."""
        try:
            self.prepare()
            collector = self.cov._collector
            tracers.remove_locks(collector)
            isolation.have_own_stacks(self.cov)
            self.guard: Any = guard.Guard(self.cov, self.note)
            collector._installation_trace = thread_hook.Hook(collector, self.note)
            with isolation.beginning(self.cov):
                self.cov.start()
        except BaseException:
            give_back()
            self.leave()
            raise
        finally:
            atexit.unregister(self.cov._atexit)  # what happens at the end, `ending` says
        self.core = CORES[collector.tracer_name()]
        try:
            self.snapshots: Any = Snapshots(collector)
            self.snapshots.make_flush_lossless()
            if self.core == "sysmon":
                self.adoption = SysmonAdoption(collector, self.guard)
            else:
                self.adoption = CtraceAdoption(collector, self.note)
            self.adoption.start(0 if self.is_first else frames.own_ident())
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

    def prepare(self) -> None:
        """Initialize coverage as its `start` does, so that a collector is there beforehand."""
        self.cov._init()
        self.cov._data = lazy_import.DataLater(self.cov)
        self.cov._inited_for_start = True
        # A collector notes the stack that made it, for coverage's own tests.  Finding the source
        # of each frame goes through all modules of the application.
        collector: Any = sys.modules["coverage.collector"]
        short_stack, collector.short_stack = collector.short_stack, str
        # For each folder of `sys.path` all those above it are asked for the mark of a venv.
        path: Any = sys.modules["coverage.inorout"].os.path  # type: ignore[attr-defined,unused-ignore]
        exists, path.exists = path.exists, lru_cache(None)(path.exists)
        try:
            self.cov._init_for_start()
        finally:
            path.exists = exists
            collector.short_stack = short_stack

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
        """Return the warnings about other tools that have taken our place; looks again."""
        if self.adoption is None or not self.is_on:
            return []
        self.guard.retry()
        self.adoption.tend()
        told: list[str] = self.adoption.told()
        return told

    def renew_lock(self) -> None:
        """Replace coverage's lock in a forked child: a thread that is gone may hold it."""
        collector = self.cov._collector
        if collector.data_lock is not None:
            collector.data_lock = RLock()

    def stop(self) -> None:
        """Stop measuring, and undo everything that was done; does nothing the second time.

        What was measured stays, for snapshots.  Every step is done, whatever the others raise.
        """
        was_on, self.is_on = self.is_on, False
        if not was_on:
            return
        adoption = [] if self.adoption is None else [self.adoption.stop]
        do_all(
            self.leave_sys,
            self.leave_threads_to_others,
            *(adoption if self.core == "sysmon" else ()),
            self.cov.stop,
            *(adoption if self.core != "sysmon" else ()),
            self.leave,
        )

    def leave_sys(self) -> None:
        """Take our name out of `sys`, unless somebody else has it now."""
        if getattr(sys, "covattach", None) is self.cov:
            del sys.covattach  # type: ignore[attr-defined]

    def forget(self) -> None:
        """Let go of the measured data, which may be megabytes, once nobody can ask for them.

        And of all the rest, unless another thread is in it.  Reference cycles would wait for the
        garbage collector, those of twenty sessions at a time.
        """
        cov, collector = self.cov, self.cov._collector
        self.snapshots.windows.forget()
        self.snapshots.batches.forget()
        collector.data.clear()
        if not frames.is_alone():
            return
        del collector.flush_data  # ours: its own is that of the class
        collector.tracers = []
        cov._collector = cov._data = None
        if self.adoption is not None:
            self.adoption.forget()
        self.guard.forget()
        self.cov = self.snapshots = self.adoption = self.guard = None

    def leave_threads_to_others(self) -> None:
        """Keep coverage's `stop` from removing a trace function that is somebody else's."""
        self.cov._collector._installation_trace.end()
        self.cov._collector.threading = None

    def leave(self) -> None:
        """Put coverage aside where we brought it in, unless the application has come to use it."""
        self.looking.end()
        if self.put_aside and (self.uses is None or not self.uses.has_grown()):
            coverage_package.put_aside()
