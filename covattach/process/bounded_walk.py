"""A walk through folders of another user, with limits of depth and number."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

MOST_DEEP = 100  # folders in each other
MOST = 1_000_000  # files and folders in all


class Walk:
    """A walk like `os.walk`, but a bounded one: folders too deep, or too many, are left out.

    `entries` returns the names of the folders and of the files in a folder, or raises OSError.
    `left_out` are the folders that were not entered because of a limit.
    """

    def __init__(self, entries: Callable[[str], tuple[list[str], list[str]]]) -> None:
        self.entries = entries
        self.left = MOST
        self.left_out: list[str] = []

    def __call__(self, folder: str) -> Iterator[tuple[str, list[str], list[str]]]:
        """Yield, top down, the path of a folder, and the names of the folders and files in it.

        As with `os.walk`, the caller can take names out of the list of folders: these are not
        entered.
        """
        ahead = [(folder, 0)]
        while ahead:
            here, depth = ahead.pop()
            if depth > MOST_DEEP or self.left <= 0:
                self.left_out.append(here)
                continue
            try:
                folders, files = self.entries(here)
            except OSError:
                continue  # as os.walk does
            self.left -= 1 + len(files)
            yield here, folders, files
            ahead += [(os.path.join(here, name), depth + 1) for name in reversed(folders)]
