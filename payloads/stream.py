"""The stream: what a trace sends behind its reply, on the same connection, without ever waiting.

Each message is a line of JSON and then `blob` bytes, as replies are.  The client ends a stream by
closing its sending half; if it has been killed, the kernel does that.
"""

from __future__ import annotations

import _socket
import select
from array import array
from typing import Any

from . import json_text, wire
from .calls import COLUMNS

NO_SIGNAL = _socket.MSG_NOSIGNAL  # the application may not ignore SIGPIPE


class Stream:
    """One connection that is only written to, as far as it takes it; `poll` is the agent's."""

    def __init__(self, connection: Any, poll: Any) -> None:
        connection.setblocking(False)
        self.connection = connection
        self.descriptor = connection.fileno()
        self.poll = poll
        self.pending = memoryview(b"")
        self.is_gone = False
        self.listen()

    def listen(self) -> None:
        """Have the agent's poll wake up for an end, and for room if there is something to send."""
        self.poll.register(self.descriptor, select.POLLIN | (select.POLLOUT if self.pending else 0))

    def is_asked_to_end(self) -> bool:
        """Tell whether the client has closed its half: it never sends anything."""
        try:
            self.connection.recv(1)
        except BlockingIOError:
            return False
        except OSError:
            self.is_gone = True
        return True

    def put(self, events: list[tuple[Any, ...]], facts: dict[str, Any]) -> None:
        """Send a message; only to be called when nothing is pending."""
        columns = list(zip(*events)) or [()] * (COLUMNS + 1)
        blob = b"".join(array("q", column).tobytes() for column in columns[:COLUMNS])
        texts = columns[COLUMNS] if any(columns[COLUMNS]) else None
        head = {**facts, "calls": len(events), "texts": texts}
        head.update(protocol=wire.PROTOCOL, blob=len(blob))
        self.pending = memoryview(json_text.dumps(head).encode() + b"\n" + blob)
        self.flush()

    def flush(self) -> None:
        """Send of what is pending as much as the client takes."""
        try:
            while self.pending:
                self.pending = self.pending[self.connection.send(self.pending, NO_SIGNAL) :]
        except BlockingIOError:
            self.listen()
            return
        except OSError:
            self.is_gone = True
            self.pending = memoryview(b"")
        self.listen()

    def close(self) -> None:
        """Close the connection; does nothing the second time."""
        if self.descriptor >= 0:
            self.poll.unregister(self.descriptor)
            self.descriptor = -1
            self.connection.close()
