"""The stream of a trace: messages behind its reply, on the same connection, non-blocking.

Each message is a line of JSON and then a blob, whose bytes are counted in the line as `blob`, as in
replies.  The client ends a stream by closing its sending half; if it has been killed, the kernel
does that.
"""

from __future__ import annotations

import _socket
import select
from array import array
from typing import Any

from ..interpreter import json_text
from ..interpreter.descriptors import Socket
from ..server import protocol
from .event_kinds import COLUMNS

NO_SIGNAL = _socket.MSG_NOSIGNAL  # the application may not ignore SIGPIPE


class Stream:
    """A connection on which a trace is sent to one client, who sends nothing more.

    `listener` is the agent's `Listener`, which waits for this connection too.
    """

    def __init__(self, connection: Socket, listener: Any) -> None:
        self.connection = connection
        self.listener = listener
        self.pending = memoryview(b"")
        self.is_gone = False
        listener.streams.append(self)

    def events(self) -> int:
        """Return the poll(2) events to wait for: the client's end, and room for pending bytes."""
        return select.POLLIN | (select.POLLOUT if self.pending else 0)

    def is_asked_to_end(self) -> bool:
        """Tell whether the client has closed its sending half, or is gone; it sends nothing."""
        try:
            self.connection.checked().recv(1)
        except BlockingIOError:
            return False
        except OSError:
            self.is_gone = True
        return True

    def put(self, events: list[tuple[Any, ...]], facts: dict[str, Any]) -> None:
        """Send a message with `events` and `facts`; only to be called when nothing is pending.

        An event is COLUMNS integers and a text or None.  The integers are sent in the blob, column
        by column.
        """
        columns = list(zip(*events)) or [()] * (COLUMNS + 1)
        blob = b"".join(array("q", column).tobytes() for column in columns[:COLUMNS])
        texts = columns[COLUMNS] if any(columns[COLUMNS]) else None
        head = {**facts, "calls": len(events), "texts": texts}
        head.update(protocol=protocol.PROTOCOL, blob=len(blob))
        self.pending = memoryview(json_text.dumps(head).encode() + b"\n" + blob)
        self.flush()

    def flush(self) -> None:
        """Send as many of the pending bytes as the client takes, without blocking."""
        try:
            while self.pending:
                sent = self.connection.checked().send(self.pending, NO_SIGNAL)
                self.pending = self.pending[sent:]
        except BlockingIOError:
            return
        except OSError:
            self.is_gone = True
            self.pending = memoryview(b"")

    def close(self) -> None:
        """Close the connection; does nothing the second time."""
        if self in self.listener.streams:
            self.listener.streams.remove(self)
        self.connection.close()
