"""Attaching to one process: from a PID to a target that is measured, or is as it was."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from covattach.attach import compile_payloads, coverage_packages, preconditions, slowdown
from covattach.attach.agent_ready import not_begun, not_undone, undo_attach, wait_for_agent
from covattach.attach.attach_lock import alone
from covattach.attach.first_facts import first_facts, tree_facts
from covattach.deadline import COMMAND, Deadline
from covattach.errors import NotNow
from covattach.injector.injection import Injection
from covattach.injector.methods import inject
from covattach.payloads import session_files
from covattach.payloads.measure.core_choice import best_core
from covattach.process.interpreter import Interpreter, find_interpreter
from covattach.process.process import Process
from covattach.process.runtime import check_python, not_measured
from covattach.process.seccomp import check_seccomp
from covattach.session import agent_client, coverage_settings, folder_lookup, trusted_record
from covattach.session.folder import SessionFolder
from covattach.session.lease import Lease
from covattach.session.session import Session
from covattach.session.session_lookup import measuring
from covattach.untrusted import validated

Tell = Callable[[str], None]
DONE = "measuring"  # the last step told: a failure after it is not undone


def nobody(words: str) -> None:
    """Do nothing with `words`: for callers that show no progress."""


@dataclass
class Options:
    """The settings of an attach: the injector, the measurement, and when to save and to end.

    `given` are coverage settings from the command line; `wanted` are all settings, read already.
    `every` and `for_` are in seconds, `max_overhead` is in per cent.  `tree` is the folder of the
    tree to join, as the target sees it, or "" for the first process of a new tree.  `key` is the
    secret that a tree's members share.  The session ends when its `lease` is no longer held.  With
    `trust_seccomp`, filters that cannot be read are taken for harmless.  `timeout` is in seconds,
    `deadline` the time at which they are over.
    """

    method: str = "auto"
    core: str | None = None
    timeout: float = 30.0
    rcfile: str | None = None
    given: dict[str, Any] = field(default_factory=dict)
    every: float | None = None
    for_: float | None = None
    max_overhead: float | None = None
    tree: str | None = None
    key: str = ""
    wanted: dict[str, Any] | None = None
    lease: Lease | None = None
    trust_seccomp: bool = False
    deadline: Deadline | None = None

    def begun(self) -> Options:
        """Return these options with a deadline, for all that the attach waits for."""
        whole = COMMAND.deadline
        begun = whole.within(self.timeout) if whole else Deadline.after(self.timeout)
        return self if self.deadline else replace(self, deadline=begun)

    def until(self) -> Deadline:
        """Return the deadline; if there is none yet, a new one."""
        return self.deadline or Deadline.after(self.timeout)


def start(
    pid: int, options: Options, tell: Tell, warn: Tell = nobody
) -> tuple[Session, dict[str, Any]]:
    """Attach to `pid` and measure; return the session and the facts of the attach.

    `tell` is called with each step in a few words.  `warn` is called with the cost, before anything
    is done, if it will be felt.  After any exception, also KeyboardInterrupt, the target is as it
    was.  A target that is measured already stays so: the fact "already" is true.
    """
    options = options.begun()
    process = Process(pid)
    preconditions.check_state(process)
    preconditions.check_descriptors(process)
    preconditions.check_folder(process)
    with alone(process):
        return start_alone(process, options, tell, warn)


def start_alone(
    process: Process, options: Options, tell: Tell, warn: Tell
) -> tuple[Session, dict[str, Any]]:
    """Attach to `process`, unless it has a session already; the caller holds its attach lock."""
    running = measuring(process)
    if running is not None:
        check_goes_on(running)
        return running, {**running.facts, "already": True}
    if options.tree == "":
        options = replace(options, key=folder_lookup.new_key())
    interpreter = find_interpreter(process)
    wanted = options.wanted
    if wanted is None:
        wanted = coverage_settings.read(process, options.rcfile, options.given)
    core = chosen_core(options, wanted, interpreter)
    branch = bool(wanted.get("run:branch"))
    check_target(process, interpreter, options)
    limits = slowdown.limits(wanted, options.max_overhead)
    cost = slowdown.forecast(process.pid, core, interpreter.version, branch, limits)
    if cost:
        warn(cost)
    with agent_in(process, interpreter, options, wanted, tell) as (place, first, injection, began):
        tell("bringing coverage in")
        facts = begin(process, interpreter, place, options, wanted, core)
        injection.cancel()  # the line has run: its remains are taken back
        attach = {
            "method": injection.method,
            "pause_ms": round(injection.pause_ms, 1),
            "attach_ms": round(1000 * (time.monotonic() - began), 1),
            "how": injection.how,
        }
        facts = {**first, **facts, **attach}
        place.write_facts(facts)
        if not options.tree:
            trusted_record.note(place, facts)
        session = Session(process.pid, place, validated(facts), alive=True)
        session.facts["transcript"] = injection.transcript
        tell(DONE)
    return session, {**session.facts, "already": False}


def check_goes_on(running: Session) -> None:
    """Raise NotNow if session `running` measures no longer, or ends with a `covattach record`."""
    if running.facts.get("off"):
        raise NotNow(
            f"{running.facts['off']}.",
            f"End that session: `covattach stop {running.pid}`; then start again.",
        )
    if running.is_leased:
        raise NotNow(
            f"Process {running.pid} is being recorded, and is measured only until that ends.",
            "Wait for that `covattach record` to end, or end it.",
        )


def check_target(process: Process, interpreter: Interpreter, options: Options) -> None:
    """Raise NotPossible, NotNow if `process` cannot have an agent; it is not changed."""
    preconditions.check_rights(process)
    check_python(process, interpreter)
    check_seccomp(process, interpreter, options.trust_seccomp, options.until().at)


@contextlib.contextmanager
def agent_in(
    process: Process, interpreter: Interpreter, options: Options, wanted: dict[str, Any], tell: Tell
) -> Iterator[tuple[SessionFolder, dict[str, Any], Injection, float]]:
    """Have an agent in `process` while the body runs; an exception in it removes the agent.

    The caller has had the process checked, by `check_target`.  Yields the session's folder, its
    first facts, the injection, and when it began (monotonic).
    """
    options = options.begun()
    deadline = options.until()
    code = compile_payloads.payloads(process, deadline)
    if not options.tree:  # once for a whole tree: `clear` looks into all session folders
        folder_lookup.remove_dead(process)
    place = folder_lookup.create(process, options.tree or None)
    injection: Injection | None = None
    began = time.monotonic()
    try:
        first = {**first_facts(process, wanted), **tree_facts(options.tree, options.key, place)}
        place.write_facts(first)
        if options.lease is not None:
            options.lease.hold(place)
        place.add_file(session_files.BEGIN, compile_payloads.first(code))
        if code is not None:
            place.add_file(session_files.COMPILED, code)
        tell(f"attaching (method {options.method})")
        injection = inject(process, interpreter, place, options.method, deadline.at)
        wait_for_agent(process, place, injection, deadline)
        yield place, first, injection, began
    except BaseException as error:
        if undo_attach(process, place, injection):
            raise
        raise not_undone(process, error) from None


def chosen_core(options: Options, wanted: dict[str, Any], interpreter: Interpreter) -> str:
    """Return the core that the user asked for, or the best for lines or branches on this Python."""
    branch = bool(wanted.get("run:branch"))
    asked = coverage_settings.asked_core(wanted, options.core)
    return asked or best_core(branch, interpreter.version)


def begin(
    process: Process,
    interpreter: Interpreter,
    place: SessionFolder,
    options: Options,
    wanted: dict[str, Any],
    core: str,
) -> dict[str, Any]:
    """Have the agent begin to measure with `core`; return its facts.

    Raises NoSafePoint if it does not answer in time, and the errors of `agent_client.ask`.
    """
    if options.tree == "":
        # Its children may run another Python, which chooses its core for itself.
        asked = coverage_settings.asked_core(wanted, options.core)
        branch = bool(wanted.get("run:branch"))
        chosen = {
            "core": asked,
            "brought": coverage_packages.bring_all(process, place, branch, asked),
        }
    else:
        brought = coverage_packages.bring(process, place, interpreter.version, core)
        chosen = {"core": core, "brought": brought}
    request = {
        "options": {"settings": coverage_settings.measuring(wanted), **chosen},
        **tree_facts(options.tree, options.key, place),
        "every": options.every,
        "for": options.for_,
        "max_overhead": options.max_overhead,
    }
    try:
        facts = agent_client.ask(place, "start", options.until().at, **request)[0]
        said = [*coverage_settings.warnings(wanted), *not_measured(process, interpreter)]
        return {**facts, "warnings": [*said, *facts["warnings"]]}
    except agent_client.NoAnswer as reason:
        raise not_begun(process, reason) from None
