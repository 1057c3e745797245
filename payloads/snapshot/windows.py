"""Windows: named spans of time, with the lines that ran in those that have ended.

The sets that coverage fills belong to the current window.  At its end they are copied out, put
aside here in a compact form, and emptied; they are never replaced, because the C tracer keeps
pointers to them.  A name that is used again continues its window: its old data and its new ones are
put together.  So the memory is bounded by the lines that ran in each window, however many marks.

Everything here is replaced rather than changed, in one store: a save at the end of the process, in
another thread, finds the state before or the state after.
"""

from __future__ import annotations

from array import array
from itertools import chain
from typing import Any

NUMBERS = "q"  # 64 bits: packed arcs need 58
UNNAMED = ""  # the window before the first mark, as in coverage's data files


class Windows:
    """The windows of one measurement; `pairs` says that its sets hold pairs of lines."""

    def __init__(self, pairs: bool) -> None:
        self.pairs = pairs
        self.name = UNNAMED  # of the window that goes on
        # Data of windows up to their last end: an array for each file, by window and file name.
        self.closed: dict[str, dict[str, Any]] = {UNNAMED: {}}

    @property
    def names(self) -> list[str]:
        """The names given to windows, in the order of their first use."""
        return [name for name in self.closed if name != UNNAMED]

    def flat(self, held: Any) -> Any:
        """Return the lines or arcs in `held` as an array of numbers; a pair is two of them."""
        return array(NUMBERS, chain.from_iterable(held) if self.pairs else held)

    def points(self, numbers: Any) -> set[Any]:
        """Return the set of lines or arcs that `flat` has made the array `numbers` of."""
        return set(zip(numbers[::2], numbers[1::2])) if self.pairs else set(numbers)

    def close(self, taken: dict[str, set[Any]]) -> None:
        """Add the data `taken` out of coverage's sets to the current window, which ends."""
        ended = dict(self.closed[self.name])
        for name, held in taken.items():
            if held and name in ended:
                ended[name] = self.flat(held.union(self.points(ended[name])))
            elif held:
                ended[name] = self.flat(held)
        self.closed = {**self.closed, self.name: ended}

    def begin(self, name: str) -> None:
        """Make `name` the current window; a window of that name keeps its earlier data."""
        self.closed = {**self.closed, name: self.closed.get(name, {})}
        self.name = name

    def discard(self) -> None:
        """Forget all windows and their data, but for the name of the current one."""
        self.closed = {UNNAMED: {}, self.name: {}}

    def held(self) -> dict[str, dict[str, set[Any]]]:
        """Return the data of windows, up to the last end of each: sets by window and file name."""
        return {
            window: {name: self.points(numbers) for name, numbers in files.items()}
            for window, files in self.closed.items()
        }
