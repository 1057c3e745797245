"""Tracing: a stream of function calls, from a target that is measured or attached to for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from covattach.attach import attach_process, preconditions
from covattach.attach.attach_lock import alone
from covattach.attach.attach_process import Options, Tell
from covattach.deadline import COMMAND
from covattach.errors import NoSafePoint, NotNow
from covattach.process.interpreter import find_interpreter
from covattach.process.process import Process
from covattach.session import agent_client, agent_errors, waiting
from covattach.session.folder import SessionFolder
from covattach.session.session_lookup import measuring
from covattach.trace.event_stream import EventStream

FILES = ("include", "omit")


@dataclass
class Trace:
    """A trace that has begun; `thread` is the native id of the agent's thread in the target.

    `python` is the target's version.
    """

    process: Process
    stream: EventStream
    python: str
    thread: int


@contextmanager
def traced(pid: int, wanted: dict[str, Any], options: Options, tell: Tell) -> Iterator[Trace]:
    """Trace `pid` while the body runs; afterwards the target is as it was.

    `wanted` is the request, see payloads/trace/tracing.py, but with `include` and `omit` as the
    user gave them.  A target that is measured goes on being measured.
    """
    process = Process(pid)
    preconditions.check_state(process)
    request = {**wanted, **{name: file_patterns(process, wanted[name]) for name in FILES}}
    running = measuring(process)
    if running is not None:
        with streamed(process, running.folder, request) as trace:
            yield trace
        return
    with alone(process):
        interpreter = find_interpreter(process)
        attach_process.check_target(process, interpreter, options)
        entered = attach_process.agent_in(process, interpreter, options, {}, tell)
        with entered as (place, _, injection, _), streamed(process, place, request) as trace:
            injection.cancel()  # the injected line has run: its remains are removed
            yield trace
        waiting.wait_for_end(process, trace.thread)
        place.remove()


@contextmanager
def streamed(process: Process, place: SessionFolder, request: dict[str, Any]) -> Iterator[Trace]:
    """Have the agent in the session folder `place` begin a trace, which ends with the body.

    Raises NoSafePoint, NotNow, BadStream, and the errors that the agent reports.
    """
    deadline = COMMAND.current().at
    try:
        stream = EventStream(agent_client.asked(place, "trace", deadline, **request))
        reply = stream.message(deadline)
    except TimeoutError:
        raise NoSafePoint(
            f"The agent in process {process.pid} did not begin in time; it gives up.",
            "It has many busy threads, or keeps the GIL: give it longer: `--timeout 2m`.",
        ) from None
    except OSError:
        reply = None
    if reply is None:
        raise NotNow(f"Process {process.pid} has ended, or its session has.", "Try again.")
    header = reply[0]
    if "error" in header:
        raise agent_errors.reported(header)
    try:
        yield Trace(process, stream, str(header.get("python")), int(header.get("thread", 0)))
    finally:
        stream.close()


def file_patterns(process: Process, patterns: list[str]) -> list[str]:
    """Return coverage's file patterns as one regular expression of file names, in a list.

    [] without patterns.  As in coverage, one without a slash is a name anywhere, and one that
    begins with no wildcard begins in the target's working directory.  If that is reached by links,
    the path with and without them counts.
    """
    if not patterns:
        return []
    from coverage.files import globs_to_regex

    found = []
    for pattern in patterns:
        found.append(pattern)
        if not pattern.startswith(("*", "?")):
            path = os.path.normpath(process.cwd / pattern)
            found += [path, os.path.realpath(path)]
    return [globs_to_regex(found).pattern]
