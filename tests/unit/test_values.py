"""Arguments as text: short, and without running any code of the application's."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
from covattach.payloads.trace import safe_repr

asked: list[str] = []


def tell(name: str) -> Callable[..., Any]:
    """Return a method that notes that it was called, and raises."""

    def method(*_: object) -> Any:
        asked.append(name)
        raise RuntimeError(name)

    return method


class Meta(type):
    """A metaclass that answers nothing."""

    __repr__ = __str__ = __getattribute__ = tell("meta")  # type: ignore[assignment]


class Hostile(metaclass=Meta):
    """An object that answers nothing."""

    __repr__ = __str__ = __len__ = __bool__ = __iter__ = tell("method")  # type: ignore[assignment]
    __getattribute__ = tell("attribute")  # type: ignore[assignment]
    __hash__ = tell("hash")  # type: ignore[assignment]
    __class__ = property(tell("class"))  # type: ignore[assignment]


class Text(str):
    """A text of one's own."""

    __slots__ = ()
    __repr__ = __getitem__ = __len__ = tell("text")  # type: ignore[assignment]


class Counting(list[int]):
    """A list of one's own."""

    __repr__ = __iter__ = __len__ = __bool__ = tell("list")  # type: ignore[assignment]


SHOWN = [
    (1, "1"),
    (True, "True"),
    (None, "None"),
    (2.5, "2.5"),
    (10**5000, "<a large int>"),
    ("tea", "'tea'"),
    ("x" * 100, "'" + "x" * 40 + "'…"),
    ("\x1b[2J", "'\\x1b[2J'"),
    (b"\0" * 3, "b'\\x00\\x00\\x00'"),
    ([], "[]"),
    ((), "()"),
    (set(), "set()"),
    ([1, 2, 3, 4], "[1, 2, 3, …]"),
    ({"a": [1], "b": {}}, "{'a': […], 'b': {}}"),
    ((None,), "(None)"),
    (object(), "<object object>"),
    (sys, "<module object>"),
]


@pytest.mark.parametrize(("value", "text"), SHOWN, ids=[text for _, text in SHOWN])
def test_values_are_shown_shortly(value: object, text: str) -> None:
    """A value of a builtin type is shown, and cut off where it is long."""
    assert safe_repr.shown(value) == text


@pytest.mark.parametrize("wrapped", [False, True])
def test_nothing_of_the_application_is_called(wrapped: bool) -> None:
    """Objects whose every method raises are named, and none of these is called."""
    for value, name in ((Hostile(), "Hostile"), (Text("x"), "Text"), (Counting([1]), "Counting")):
        del asked[:]

        text = safe_repr.shown([value] if wrapped else value)

        expected = f"<{__name__}.{name} object>"
        assert text == (f"[{expected}]" if wrapped else expected)
        assert asked == []


def test_a_module_name_that_is_none() -> None:
    """The `__module__` of a class is believed only if it is a text."""
    kind = type("Odd", (), {"__module__": Hostile()})

    assert safe_repr.shown(kind()) == "<Odd object>"


def frame_of(*args: Any, option: int = 3, **named: Any) -> str:
    """Return its own arguments as text."""
    frame = sys._getframe()
    return safe_repr.arguments(frame, safe_repr.parameters(frame.f_code))


def test_arguments_stand_as_in_the_definition() -> None:
    """Arguments are named, in the order of the definition, with the stars."""
    assert frame_of(1, 2, option=4, more="x") == "*args=(1, 2), option=4, **named={'more': 'x'}"
    assert safe_repr.parameters(frame_of.__code__) == ["*args", "option", "**named"]


def test_many_arguments_are_cut_off() -> None:
    """However many and long they are, it is one short line."""
    names = [f"a{number}" for number in range(30)]
    space: dict[str, Any] = {"values": safe_repr, "sys": sys}
    body = "f = sys._getframe(); return values.arguments(f, values.parameters(f.f_code))"
    exec(f"def many({', '.join(names)}): {body}", space)

    text = space["many"](*(["x" * 100] * 30))

    assert len(text) == safe_repr.LONGEST
    assert text.endswith("…")
