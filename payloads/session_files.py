"""The names of the files in a session's folder, for both sides.

Code that is executed before our modules are there has them as literals: bootstrap.py, launch.py,
start.py and startup/.
"""

from __future__ import annotations

SOCKET = "agent.sock"
FACTS = "session.json"
REQUEST = "request.json"  # the first one, where start.py has left it
TREE_REQUEST = "children.json"  # in a tree's folder: that with which a new program begins
SNAPSHOT = "snapshot"  # the one that was saved last
TOKEN = "token"  # noqa: S105  # removed by the first who comes, so that launching happens once
BEGIN = "begin"  # bootstrap.py, as a text, or compiled behind its magic number
PAYLOADS = "payloads"
COMPILED = "payloads/compiled"
COVERAGE = "coverage"
LEASE = "lease"  # of a session that is leased as a whole
FAULT = "fault"
FAULT_OF = "fault-of-"  # in a tree's folder: of a process that has none of its own, by its PID
RAISED = "raised-"  # how the name of a FIFO begins that tells of an exception


def fault_of(pid: int) -> str:
    """Return the name of the file that tells why a process of a tree is not measured."""
    return f"{FAULT_OF}{pid}"
