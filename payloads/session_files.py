"""The names of the files in a session folder, shared by covattach and the payloads.

bootstrap.py, launch.py, start.py and startup/ run before this module is loaded, and repeat the
names as literals.
"""

from __future__ import annotations

SOCKET = "agent.sock"
FACTS = "session.json"
REQUEST = "request.json"  # the first request, if start.py has written it
TREE_REQUEST = "children.json"  # in a tree's folder: the request by which new programs begin
SNAPSHOT = "snapshot"  # the snapshot that was saved last
TOKEN = "token"  # noqa: S105  # deleted by the first thread that launches: one agent only
BEGIN = "begin"  # bootstrap.py as source text, or as a magic number and byte code
PAYLOADS = "payloads"
COMPILED = "payloads/compiled"
COVERAGE = "coverage"
LEASE = "lease"  # a FIFO: the session ends when the client that has it open is gone
FAULT = "fault"  # the traceback of an exception in our code
FAULT_OF = "fault-of-"  # in a tree's folder, before a PID: of a process without a folder
RAISED = "raised-"  # before an exception: the name of a FIFO, made if no file can be


def fault_of(pid: int) -> str:
    """Return the name of the file that tells why a process of a tree is not measured."""
    return f"{FAULT_OF}{pid}"
