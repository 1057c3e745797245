"""The messages of a trace as they arrive on the agent's connection, whole ones only.

EventStream(connection).message()    from a target, which may be hostile
"""

from __future__ import annotations

import socket
import time
from typing import Any

from covattach.session import agent_client
from covattach.trace.messages import LONGEST_BLOB, BadStream

LONGEST_HEAD = 1 << 22  # bytes: 2048 events with 200 characters of arguments each, escaped


class EventStream:
    """The reply to the verb `trace`, and the messages that follow it on the same connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.pending = bytearray()

    def message(self, deadline: float | None = None) -> tuple[dict[str, Any], bytes] | None:
        """Return header and blob of the next message, or None at the end of the stream.

        `deadline` is a time of `time.monotonic`; None to wait for ever.  Raises BadStream,
        TimeoutError.
        """
        try:
            end = self.wait_for_line(deadline)
            if end < 0:
                return None
            header, size = agent_client.parsed(bytes(self.pending[:end]), LONGEST_BLOB)
            # `pending` keeps a message until all of it is there: a deadline may pass meanwhile.
            while len(self.pending) < end + size:
                if not self.more(deadline):
                    return None
            blob = bytes(self.pending[end : end + size])
            del self.pending[: end + size]
        except (ValueError, RecursionError) as error:
            raise BadStream(str(error)) from None
        return header, blob

    def wait_for_line(self, deadline: float | None) -> int:
        """Return the length of the next line in bytes, newline included; -1 at the stream's end.

        Raises ValueError for too long a line, and TimeoutError.
        """
        looked = 0
        while True:
            end = self.pending.find(b"\n", looked)
            if end >= 0:
                return end + 1
            looked = len(self.pending)
            if looked > LONGEST_HEAD:
                raise ValueError("a line is too long")
            if not self.more(deadline):
                return -1

    def more(self, deadline: float | None) -> bool:
        """Receive some bytes into `pending`; return False at the end of the stream."""
        wait = None if deadline is None else max(deadline - time.monotonic(), 0.001)
        self.connection.settimeout(wait)
        try:
            part = self.connection.recv(1 << 16)
        except ConnectionError:
            return False
        self.pending += part
        return bool(part)

    def ask_to_end(self) -> None:
        """Ask the target to end the trace; messages that it still sends can be read."""
        try:
            self.connection.shutdown(socket.SHUT_WR)
        except OSError:
            return  # it has ended already

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()
