"""A trace's messages are checked before they are believed, and cannot control a terminal."""

from __future__ import annotations

import json
import socket
import time
from array import array
from typing import Any

import pytest
from covattach.payloads.trace.event_kinds import CALL, GAP, RAISE, RETURN
from covattach.payloads.trace.limits import CallLimits

from covattach.trace.event_lines import Lines, as_json
from covattach.trace.event_stream import EventStream
from covattach.trace.messages import BadStream, Decoder, Event, Function, Thread

STATE = {"dropped": 0, "left_out": 0, "faults": 0, "cost": 1.5, "watched": 1, "seconds": 2.0}
FUNCTIONS = [[1, "shop", "order", "/shop.py", 26]]
THREADS = [[1, "MainThread", 4711]]


def message(*events: tuple[int, ...], **more: Any) -> tuple[dict[str, Any], bytes]:
    """Return a message with these events: kind, function, thread, time, depth, frame, cost."""
    columns = list(zip(*events, strict=True)) or [()] * 7
    head = {**STATE, "end": "", "functions": FUNCTIONS, "threads": THREADS, "texts": None}
    head.update({"calls": len(events), **more})
    return head, b"".join(array("q", column).tobytes() for column in columns)


def test_events() -> None:
    """Calls and their ends come with all that was told of them, and with how long they took."""
    call, end = (CALL, 1, 1, 5_000_000_000, 3, 99, 0), (RETURN, 1, 1, 5_250_000_000, 3, 99, 0)

    events = Decoder().events(*message(call, end, texts=["item='tea'", "4"]))

    function, thread = Function("shop", "order", "/shop.py", 26), Thread("MainThread", 4711)
    assert events == [
        Event("call", 5.0, function, thread, 3, "item='tea'", None),
        Event("return", 5.25, function, thread, 3, "4", 0.25),
    ]


def test_no_time_across_a_gap() -> None:
    """A call that ended during a gap is not taken for another call that ends later."""
    call, gap, end = (CALL, 1, 1, 1, 3, 99, 0), (GAP, 0, 0, 5, 0, 4, 0), (RAISE, 1, 1, 9, 3, 99, 0)

    events = Decoder().events(*message(call, gap, end))

    assert [(event.kind, event.seconds) for event in events] == [
        ("call", None),
        ("gap", 4e-9),
        ("raise", None),
    ]


BAD: dict[str, tuple[dict[str, Any], bytes]] = {
    "kind": message((9, 1, 1, 0, 0, 0, 0)),
    "negative": message((-1, 1, 1, 0, 0, 0, 0)),
    "function": message((CALL, 2, 1, 0, 0, 0, 0)),
    "thread": message((CALL, 1, 2, 0, 0, 0, 0)),
    "size": (message((CALL, 1, 1, 0, 0, 0, 0))[0], b"x" * 8),
    "count": message(calls=10**9),
    "count-bool": message(calls=True),
    "texts": message((CALL, 1, 1, 0, 0, 0, 0), texts=[]),
    "text": message((CALL, 1, 1, 0, 0, 0, 0), texts=[["x"]]),
    "text-long": message((CALL, 1, 1, 0, 0, 0, 0), texts=["x" * 5000]),
    "functions": message(functions={}),
    "function-row": message(functions=[[1, "shop"]]),
    "function-name": message(functions=[[1, "shop", "x" * 5000, "/shop.py", 1]]),
    "function-line": message(functions=[[1, "shop", "order", "/shop.py", "26"]]),
    "thread-row": message(threads=[1]),
    "state": message(dropped="many"),
    "state-nan": message(cost=float("nan")),
    "state-missing": ({"end": ""}, b""),
    "end": message(end="boom"),
    "end-list": message(end=["asked"]),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_messages(name: str) -> None:
    """Each bad message of a hostile target ends in one sentence."""
    with pytest.raises(BadStream, match="sends what is no trace"):
        Decoder().events(*BAD[name])


@pytest.mark.parametrize(
    "sent",
    [
        b"x" * (1 << 23),
        b"garbage\n",
        b"5\n",
        b"null\n",
        b"[" * 100_000 + b"\n",
        b'{"protocol": 99, "blob": 0}\n',
        b'{"protocol": 1, "blob": -1}\n',
        b'{"protocol": 1, "blob": 99999999999}\n',
        b'{"protocol": 1, "blob": "1"}\n',
    ],
    ids=["endless", "garbage", "number", "null", "nested", "protocol", "negative", "huge", "text"],
)
def test_bad_streams(sent: bytes) -> None:
    """A stream without a message is not read to an end that may never come."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        stream = EventStream(ours)
        stream.pending += sent
        theirs.close()

        with pytest.raises(BadStream):
            stream.message()


def test_cut_off() -> None:
    """A target that ends in the middle of a message has ended."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(json.dumps({"protocol": 1, "blob": 80}).encode() + b"\nxx")
        theirs.close()

        assert EventStream(ours).message() is None


def test_a_deadline_within_a_message() -> None:
    """What has come of a message when the wait for it ends is not lost."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        stream = EventStream(ours)
        theirs.sendall(json.dumps({"protocol": 1, "blob": 4}).encode() + b"\nxx")
        with pytest.raises(TimeoutError):
            stream.message(time.monotonic() + 0.01)
        theirs.sendall(b"yy" + json.dumps({"protocol": 1, "blob": 0}).encode() + b"\n")

        assert stream.message() == ({"protocol": 1}, b"xxyy")
        assert stream.message() == ({"protocol": 1}, b"")


EVIL = Event("call", 1.0, Function("m\x1b[2J", "f\n\u202e", "/f", 1), Thread("t\x07", 1), 2, "\x9b")


def test_terminals_obey_nothing() -> None:
    """Names and values of the target's are shown without control characters."""
    lines = Lines(colour=False, width=None, marks=True)
    lines.line(Event("call", 1.0, Function("m", "f", "/f", 1), Thread("ot\x07her", 2)))

    note, shown = lines.line(EVIL).split("\n")

    assert note == "-- so far all in the thread ot?her; now lines begin with their thread --"
    assert shown.isprintable()
    assert shown == "t?          → f??(?)  m?[2J:1"
    assert "\x1b" not in as_json(EVIL)
    assert json.loads(as_json(EVIL))["module"] == "m\x1b[2J"


def test_lines_are_indented_and_fit() -> None:
    """Calls are indented by depth below the shallowest that was seen, and cut at the width."""
    lines = Lines(colour=False, width=30, marks=False)
    function, thread = Function("shop", "order", "/shop.py", 26), Thread("MainThread", 1)

    assert lines.line(Event("call", 0, function, thread, 7)) == "order  shop:26"
    main = Function("__main__", "order", "/shop.py", 26)
    assert lines.line(Event("call", 0, main, thread, 7)) == "order  shop.py:26"
    assert lines.line(Event("call", 0, function, thread, 8)) == "  order  shop:26"
    assert (
        lines.line(Event("call", 0, function, thread, 9, "x" * 50)) == "    order(" + "x" * 19 + "…"
    )


def indented(*events: tuple[str, int]) -> list[str]:
    """Return the texts before the function's name, for events of these kinds and depths."""
    lines = Lines(colour=False, width=None, marks=False)
    function, thread = Function("shop", "f", "/shop.py", 26), Thread("MainThread", 1)
    shown = [lines.line(Event(kind, 0, function, thread, depth)) for kind, depth in events]
    return [line.partition("f  shop:26")[0] for line in shown]


def test_callers_that_are_not_shown() -> None:
    """Where the caller is not among the lines above, the indentation says so, at a call's end too.

    That a call has ended shows by its end, or by a call that is not deeper.
    """
    calls = indented(("call", 5), ("call", 6), ("call", 8), ("call", 9), ("call", 7), ("call", 5))
    ends = indented(
        *(("call", 5), ("call", 6), ("return", 6)), *(("call", 7), ("return", 7), ("return", 5))
    )
    waits = indented(("call", 5), ("yield", 5), ("call", 3), ("resume", 5), ("call", 6))

    assert calls == ["", "  ", "    … ", "        ", "    ", ""]
    assert ends == ["", "  ", "  ", "  … ", "  … ", ""]
    assert waits == ["", "", "", "  … ", "      "]


def test_no_callers_across_a_gap() -> None:
    """A call before a pause, or before dropped calls, is nobody's caller after it."""
    lines = Lines(colour=False, width=None, marks=False)
    function, thread = Function("shop", "f", "/shop.py", 26), Thread("MainThread", 1)
    before, after = (Event("call", 0, function, thread, depth) for depth in (5, 8))

    for missing in (
        lambda: lines.line(Event("gap", 1.0, seconds=0.1)),
        lambda: lines.loss("dropped", 3),
    ):
        lines.line(before)
        missing()
        assert lines.line(after) == "      f  shop:26"


def test_what_is_missing_is_said() -> None:
    """Pauses and losses say why, and how long or how many."""
    lines = Lines(colour=False, width=None, marks=False, limit=5)

    said = lines.line(Event("gap", 1.0, seconds=0.14))

    assert said == "-- paused for 140.0 ms, to keep the slow-down near 5 % --"
    assert lines.loss("dropped", 1204).startswith("-- 1,204 calls dropped: they came faster")
    assert lines.loss("left_out", 3) == "-- 3 calls left out, as --rate says --"


def event(kind: int, frame: int) -> tuple[Any, ...]:
    """Return an event of a frame."""
    return (kind, 1, 1, 0, 0, frame, 0, None)


def test_rate_takes_the_first_of_each_second() -> None:
    """Calls above the rate are left out with their ends, and counted."""
    share = CallLimits(limit=0, rate=2)
    events = [event(CALL, frame) for frame in (1, 2, 3)]
    ends = [event(RETURN, frame) for frame in (3, 2, 1)]

    assert share.select(events + ends, 10.0) == [*events[:2], *ends[1:]]
    assert share.left_out == 1
    assert share.select(events, 11.5) == events[:2]


def test_limit_is_exact() -> None:
    """After the last call that was asked for, nothing follows."""
    share = CallLimits(limit=2, rate=0)
    events = [event(CALL, 1), event(RETURN, 1), event(CALL, 2), event(RETURN, 2)]

    assert share.select(events, 1.0) == events[:3]
    assert share.is_complete
