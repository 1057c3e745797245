"""The terminal: all output goes through here, without escape sequences or control characters.

    with installed(): …             standard output and standard error are Harmless meanwhile
    err().put(Painted(("text", CODE), …))       text in styles of ours
    screen()                        rich's console, for tables, with the same protection

A target's words and the names of its files must not control the terminal: by an escape sequence, a
control character, or a change of the direction of text.  So Python's own streams are replaced by
filtering ones.  Styles are not part of the text: only text and styles combined here reach the
terminal unchanged.  A `print` that bypasses all this, or a warning or a traceback of Python's, is
filtered like anything else.
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
        """Join `parts`: pairs of a text and its style, which is an escape sequence (CODE) or ""."""
        whole = super().__new__(cls, "".join(text for text, _ in parts))
        whole.parts = parts
        return whole


def harmless(text: str) -> str:
    """Return `text` with spaces for tabs, and "?" for each other control character but newlines."""
    if text.replace("\n", "").isprintable():
        return text
    return "\n".join(map(printable, text.expandtabs().split("\n")))


class Harmless(io.TextIOBase):
    """A text stream that replaces control characters; the only styles it writes are our own.

    With `is_for_facts`, as for standard output, a failure to write raises ReportFailed.  It has no
    attribute `buffer`: click would write to that directly.
    """

    def __init__(self, stream: TextIO, is_for_facts: bool = False) -> None:
        self.stream = stream
        self.is_for_facts = is_for_facts
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the underlying stream."""
        return self.stream.encoding

    def writable(self) -> bool:
        """Return True."""
        return True

    def isatty(self) -> bool:
        """Return whether the underlying stream is a terminal."""
        return self.stream.isatty()

    def fileno(self) -> int:
        """Return the file descriptor of the underlying stream, for a command of the user's."""
        return self.stream.fileno()

    def flush(self) -> None:
        """Write the buffered output."""
        with self.given_up():
            self.stream.flush()

    @contextlib.contextmanager
    def given_up(self) -> Iterator[None]:
        """Replace the stream by /dev/null if the body cannot write to it, as on a full disk.

        Raises ReportFailed where results are lost (`is_for_facts`); lost messages cannot be
        reported.  A reader that has gone (EPIPE) is left to click.
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
        """Write text, or bytes of encoded text; return the length of what was given.

        Raises TypeError for empty bytes: click writes these to see whether a stream is binary.
        """
        if not text and not isinstance(text, str):
            raise TypeError("this is a stream of text")
        if not text:
            return 0  # click tries this too; it would swallow an exception
        with self.given_up():
            self.stream.write(harmless(text if isinstance(text, str) else bytes(text).decode()))
        return len(text)

    def put(self, text: Painted) -> None:
        """Write a Painted text with its styles; control characters in the text are replaced."""
        for part, code in text.parts:
            assert CODE.fullmatch(code), "a style is no text"
            with self.given_up():
                self.stream.write(f"{code}{harmless(part)}{PLAIN}" if code else harmless(part))


class Passing(io.TextIOBase):
    """The unfiltered stream below a Harmless one, for writers that filter themselves: Screen."""

    def __init__(self, to: Harmless) -> None:
        self.to = to

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the underlying stream."""
        return self.to.encoding

    def isatty(self) -> bool:
        """Return whether the underlying stream is a terminal."""
        return self.to.isatty()

    def fileno(self) -> int:
        """Return the file descriptor, by which rich finds the size of the terminal."""
        return self.to.fileno()

    def flush(self) -> None:
        """Write the buffered output."""
        self.to.flush()

    def write(self, text: str) -> int:
        """Write text with its escape sequences as they are; return its length."""
        with self.to.given_up():
            self.to.stream.write(text)
        return len(text)


def out() -> Harmless:
    """Return standard output as a Harmless stream."""
    return sys.stdout if isinstance(sys.stdout, Harmless) else Harmless(sys.stdout, True)


def err() -> Harmless:
    """Return standard error as a Harmless stream."""
    return sys.stderr if isinstance(sys.stderr, Harmless) else Harmless(sys.stderr)


def install() -> None:
    """Replace sys.stdout and sys.stderr by Harmless streams."""
    sys.stdout, sys.stderr = cast(TextIO, out()), cast(TextIO, err())


@contextlib.contextmanager
def installed() -> Iterator[None]:
    """Replace sys.stdout and sys.stderr by Harmless streams in the body."""
    before = sys.stdout, sys.stderr
    install()
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def screen() -> Console:
    """Return a rich console for tables, which writes to standard error."""
    # File names and targets' words are shown as they are: `[id].py` is no markup.
    return screen_class()(
        file=cast(TextIO, Passing(err())), highlight=False, markup=False, emoji=False
    )


def print_captured(shown: Console, captured: Capture) -> None:
    """Print output `captured` from `shown`, a console of `screen`: it is harmless already."""
    shown.file.write(captured.get())
    shown.file.flush()


@functools.cache
def screen_class() -> type[Console]:
    """Return the class of the console of `screen`; rich is imported at the first call only."""
    from rich.console import Console, ConsoleOptions
    from rich.segment import Segment

    class Screen(Console):
        """A rich console that makes text harmless, before layout if possible, and when rendered."""

        def render_str(self, text: str, **how: Any) -> Any:
            """Return `text`, made harmless, as the Text of rich."""
            return super().render_str(harmless(text), **how)

        def render(
            self, renderable: RenderableType, options: ConsoleOptions | None = None
        ) -> Iterator[Segment]:
            """Yield the segments to be written, made harmless; control codes are rich's own."""
            for text, style, control in super().render(renderable, options):
                yield Segment(text if control else harmless(text), style, control)

    return Screen
