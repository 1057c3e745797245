"""A walk through folders of somebody else, who can make them as deep and as many as they like."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

MOST_DEEP = 100  # folders in each other
MOST = 1_000_000  # files and folders in all


class Walk:
    """A walk like `os.walk`, but a bounded one: folders too deep, or too many, are left out.

    `entries` returns the names of the folders and of the files in a folder, or raises OSError.
    `left_out` are the folders that were not gone into.
    """

    def __init__(self, entries: Callable[[str], tuple[list[str], list[str]]]) -> None:
        self.entries = entries
        self.left = MOST
        self.left_out: list[str] = []

    def __call__(self, folder: str) -> Iterator[tuple[str, list[str], list[str]]]:
        """Yield a folder, its folders and its files, top down.

        As for `os.walk`, a folder is not gone into whose name the caller takes out of the list.
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
