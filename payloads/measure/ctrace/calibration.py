"""The cost of tracing by the C tracer, measured with a tracer that keeps its lines to itself."""

from __future__ import annotations

import sys
from typing import Any

from ...interpreter.cpu_time import seconds_of


def seconds_traced(collector: Any, work: Any) -> float:
    """Return how much CPU time `work()` takes in this thread while it is traced."""
    own = tracer_like(collector, work.__code__.co_filename)
    try:
        own.start()
        return seconds_of(work)
    finally:
        own.stop()
        sys.settrace(None)


def tracer_like(collector: Any, name: str) -> Any:
    """Return a tracer that does all that the collector's do, for one file, without their sets."""
    core = collector.core
    own = core.tracer_class(**core.tracer_kwargs)
    disposition = core.file_disposition_class()
    disposition.original_filename = disposition.canonical_filename = name
    disposition.source_filename, disposition.trace, disposition.reason = name, True, ""
    disposition.file_tracer, disposition.has_dynamic_filename = None, False
    own.data, own.file_tracers = {name: set()}, {}
    own.should_trace_cache = {name: disposition}
    own.should_trace = own.check_include = own.warn = lambda *_: disposition
    own.lock_data = own.unlock_data = tuple
    own.trace_arcs = collector.branch
    # The C tracer looks at each without asking whether it is there.
    own.concur_id_func = own.should_start_context = own.switch_context = None
    own.disable_plugin = tuple
    return own
