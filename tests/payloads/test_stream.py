"""The stream of a trace, to a client that is behind."""

from __future__ import annotations

import socket
import time

import pytest
from support.inside import Inside
from support.interpreters import Interpreter
from support.targets import Launch
from support.waiting import PATIENCE, wait_for

from covattach.session import agent_client
from covattach.session.folder import SessionFolder
from covattach.trace import messages
from covattach.trace.event_stream import EventStream

HOOKED = "bool(sys.monitoring.get_tool(4) if hasattr(sys, 'monitoring') else sys.getprofile())"


@pytest.mark.pythons("3.11", "3.14")
def test_the_last_words_wait_for_it(interpreter: Interpreter, launch: Launch) -> None:
    """A client that asks for the end before it has read hears in the end why it ended."""
    # GIVEN a trace whose client has read nothing, until not even its socket takes any more
    target = launch(interpreter, "calling.py", "hot")
    with Inside(target) as agent:
        place = SessionFolder(agent.path, str(agent.path))
        deadline = time.monotonic() + PATIENCE
        connection = agent_client.asked(place, "trace", deadline)
        wait_for(lambda: target.ask(HOOKED), "the hook")
        before = target.ask("counted[0]")
        wait_for(lambda: target.ask("counted[0]") > before + 3000, "calls")

        # WHEN it asks for the end, and reads only after the hook is gone
        connection.shutdown(socket.SHUT_WR)
        wait_for(lambda: not target.ask(HOOKED), "the end of the hook")
        stream, decoder = EventStream(connection), messages.Decoder()
        assert stream.message(deadline) is not None  # the reply
        while (message := stream.message(deadline)) is not None:
            decoder.events(*message)

        # THEN the last message says so
        assert decoder.facts["end"] == "asked"
        stream.close()
