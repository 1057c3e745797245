"""The kinds of a trace's events, and their numbers; `covattach` uses them too."""

from __future__ import annotations

KINDS = ("call", "return", "raise", "yield", "resume", "gap")
CALL, RETURN, RAISE, YIELD, RESUME, GAP = range(6)
UNLIMITED = 1000.0  # per cent of overhead, from which on nothing is left out
COLUMNS = 7  # numbers of an event: kind, function, thread, time, depth, frame, cost
