"""The cost of tracing by the C tracer, timed with a tracer that fills only sets of its own."""

from __future__ import annotations

import sys
from typing import Any

from ...interpreter.cpu_time import seconds_of


def seconds_traced(collector: Any, work: Any) -> float:
    """Return the least CPU seconds that `work()` takes in this thread while it is traced.

    `collector` has the core and the settings.
    """
    own = tracer_like(collector, work.__code__.co_filename)
    try:
        own.start()
        return seconds_of(work)
    finally:
        own.stop()
        sys.settrace(None)


def tracer_like(collector: Any, name: str) -> Any:
    """Return a tracer with the settings of the collector's, which fills a set of its own.

    It traces one file, the one with the path `name`.
    """
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
    # The C tracer reads these without checking that they are set.
    own.concur_id_func = own.should_start_context = own.switch_context = None
    own.disable_plugin = tuple
    return own
