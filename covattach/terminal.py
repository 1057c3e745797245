"""The terminal: all output goes through here, and is text and nothing else.

    with installed(): …             standard output and standard error are Harmless meanwhile
    err().put(Painted(("text", CODE), …))       text in styles of ours
    screen()                        rich's console, for tables: the same holds for it

The terminal must obey nothing in a target's words or files' names: no escape, no control
character, nothing that turns the direction of text.  So Python's own streams are replaced by some
that let nothing else through.  Styles are not part of the text: only text and styles combined
here reach the terminal as they are.  A `print` that bypasses all this, or a warning or a traceback
of Python's, is made harmless like anything else.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import io
import os
import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TextIO, cast

from covattach.errors import ReportFailed
from covattach.untrusted import printable

if TYPE_CHECKING:
    from rich.console import Capture, Console, RenderableType

CODE = re.compile(r"(\x1b\[[\d;]*m)*")
PLAIN = "\x1b[0m"


class Painted(str):
    """Text with the styles of its parts (ECMA-48's SGR); as a str it is the text alone."""

    __slots__ = ("parts",)
    parts: tuple[tuple[str, str], ...]

    def __new__(cls, *parts: tuple[str, str]) -> Painted:
        """Put parts together, each a text and a code."""
        whole = super().__new__(cls, "".join(text for text, _ in parts))
        whole.parts = parts
        return whole


def harmless(text: str) -> str:
    """Return lines of text in which there is nothing for a terminal to obey."""
    if text.replace("\n", "").isprintable():
        return text
    return "\n".join(map(printable, text.expandtabs().split("\n")))


class Harmless(io.TextIOBase):
    """A stream that lets text through, and styles of ours.

    It has no `buffer`, by which click would go around it.
    """

    def __init__(self, stream: TextIO, is_for_facts: bool = False) -> None:
        self.stream = stream
        self.is_for_facts = is_for_facts
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The stream's."""
        return self.stream.encoding

    def writable(self) -> bool:
        """Return that it is."""
        return True

    def isatty(self) -> bool:
        """Tell whether it is a terminal."""
        return self.stream.isatty()

    def fileno(self) -> int:
        """Return the descriptor, for a command of the user's."""
        return self.stream.fileno()

    def flush(self) -> None:
        """Write the buffered output."""
        with self.given_up():
            self.stream.flush()

    @contextlib.contextmanager
    def given_up(self) -> Iterator[None]:
        """Write no more to a stream that takes nothing, as on a full disk.

        Of lost facts ReportFailed tells; of lost words nobody can be told.  That a reader has gone
        (EPIPE) is click's to know.
        """
        try:
            yield
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise
            self.stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
            if self.is_for_facts:
                raise ReportFailed(
                    f"Standard output cannot be written ({error.strerror}).",
                    "Make room, or send it elsewhere.",
                ) from None

    def write(self, text: str | bytes) -> int:
        """Write text, or bytes of text; return their number.

        click tries with no bytes whether this is a stream of bytes, which it is not.
        """
        if not text and not isinstance(text, str):
            raise TypeError("this is a stream of text")
        if not text:
            return 0  # click tries this too, and swallows the exception
        with self.given_up():
            self.stream.write(harmless(text if isinstance(text, str) else bytes(text).decode()))
        return len(text)

    def put(self, text: Painted) -> None:
        """Write text in its styles."""
        for part, code in text.parts:
            assert CODE.fullmatch(code), "a style is no text"
            with self.given_up():
                self.stream.write(f"{code}{harmless(part)}{PLAIN}" if code else harmless(part))


class Passing(io.TextIOBase):
    """A way past a Harmless stream, for writers of text that is harmless already, as Screen."""

    def __init__(self, to: Harmless) -> None:
        self.to = to

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The stream's."""
        return self.to.encoding

    def isatty(self) -> bool:
        """Tell whether it is a terminal."""
        return self.to.isatty()

    def fileno(self) -> int:
        """Return the descriptor, by which rich finds the size of the terminal."""
        return self.to.fileno()

    def flush(self) -> None:
        """Write the buffered output."""
        self.to.flush()

    def write(self, text: str) -> int:
        """Write text and styles."""
        with self.to.given_up():
            self.to.stream.write(text)
        return len(text)


def out() -> Harmless:
    """Return standard output."""
    return sys.stdout if isinstance(sys.stdout, Harmless) else Harmless(sys.stdout, True)


def err() -> Harmless:
    """Return standard error."""
    return sys.stderr if isinstance(sys.stderr, Harmless) else Harmless(sys.stderr)


def install() -> None:
    """Let nothing else through from now on."""
    sys.stdout, sys.stderr = cast(TextIO, out()), cast(TextIO, err())


@contextlib.contextmanager
def installed() -> Iterator[None]:
    """Let nothing else through for a while."""
    before = sys.stdout, sys.stderr
    install()
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def screen() -> Console:
    """Return where tables for people's eyes go: standard error."""
    # File names and targets' words are shown as they are: `[id].py` is no markup.
    return screen_class()(
        file=cast(TextIO, Passing(err())), highlight=False, markup=False, emoji=False
    )


def release(shown: Console, captured: Capture) -> None:
    """Print the captured output of a screen, which is harmless and has its styles."""
    shown.file.write(captured.get())
    shown.file.flush()


@functools.cache
def screen_class() -> type[Console]:
    """Return a Console that makes text harmless; rich is imported when one is needed."""
    from rich.console import Console, ConsoleOptions
    from rich.segment import Segment

    class Screen(Console):
        """Makes text harmless before it is laid out where it can, and when it is rendered."""

        def render_str(self, text: str, **how: Any) -> Any:
            """Return a text to be laid out."""
            return super().render_str(harmless(text), **how)

        def render(
            self, renderable: RenderableType, options: ConsoleOptions | None = None
        ) -> Iterator[Segment]:
            """Yield the segments to be written; control codes are rich's own, and come apart."""
            for text, style, control in super().render(renderable, options):
                yield Segment(text if control else harmless(text), style, control)

    return Screen
