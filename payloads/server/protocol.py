"""The protocol of the session's socket: one request and one reply for each connection.

A request is a line of JSON.  A reply is a line of JSON and then as many bytes as its field `blob`
says.  Behind the reply to `trace` more such messages follow, until one side ends it, see `stream`.
"""

from __future__ import annotations

from typing import Any

from ..errors import BadRequest
from ..interpreter import json_text
from . import clients
from .clients import LONGEST_REQUEST

PROTOCOL = 1
Reply = tuple[dict[str, Any], list[bytes]]  # what is sent: a header, and a blob in parts


def parse(line: bytes) -> dict[str, Any]:
    """Return the request in `line`, a line of JSON with its end; raises BadRequest."""
    if len(line) > LONGEST_REQUEST:
        raise BadRequest("the request is too long")
    if not line.endswith(b"\n"):
        raise BadRequest("the request ends before its end of line")
    try:
        request = json_text.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadRequest("the request is not JSON") from error
    if not isinstance(request, dict) or request.get("protocol") != PROTOCOL:
        raise BadRequest(f"the request is not of protocol {PROTOCOL}")
    return request


def send(connection: Any, reply: dict[str, Any], blob: list[bytes]) -> list[Any]:
    """Send a reply without blocking, and return the parts that could not be sent yet.

    `reply` is its header, `blob` its bytes in parts.  They may be megabytes, and are not copied.
    Raises OSError if the client is gone.
    """
    head = {**reply, "protocol": PROTOCOL, "blob": sum(map(len, blob))}
    parts = [json_text.dumps(head).encode() + b"\n", *blob]
    try:
        return clients.send(connection, parts)
    except BlockingIOError:
        return parts
