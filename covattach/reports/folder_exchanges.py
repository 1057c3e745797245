"""Folders and links on the path of a source: whether one was replaced since the source was loaded.

    Exchanges(since).of(name) -> SURELY, MAYBE or NOT

A release is often put in place as a whole, by a link that is pointed elsewhere or by `mv`.  Its
files may be older than the process.  A rename changes the ctime of the folder, and at the same time
the mtime of its parent folder.
"""

from __future__ import annotations

import os
import stat

from covattach.process.source_access import Files, current_files

NOT, MAYBE, SURELY = range(3)
MOST_LINKS = 40  # as in Linux (path_resolution(7))
TICK = 0.02  # seconds by which two timestamps of one rename may differ (the kernel's coarse clock)


class Exchanges:
    """Finds folders and links that were replaced since a time, in seconds since 1970."""

    def __init__(self, since: float) -> None:
        self.since = since
        self.known: dict[tuple[Files, str], int] = {}
        self.links = 0  # links that are being followed, one within another

    def of(self, name: str) -> int:
        """Return whether a folder or link on the path `name` was replaced: SURELY, MAYBE or NOT."""
        files = current_files().of(name)
        folder = os.path.dirname(name)
        return max(self.of_folder(files, folder), self.of_one(files, name, folder))

    def of_folder(self, files: Files, folder: str) -> int:
        """Return whether `folder`, or one above it, was replaced: SURELY, MAYBE or NOT.

        `files` is the access to files to look through.
        """
        ahead = []
        while folder.strip("/") and (files, folder) not in self.known:
            ahead.append(folder)
            folder = os.path.dirname(folder)
        found = self.known.get((files, folder), NOT)
        for one in reversed(ahead):
            found = max(found, self.of_one(files, one, folder))
            self.known[files, one] = found
            folder = one
        return found

    def of_one(self, files: Files, name: str, above: str) -> int:
        """Return SURELY, MAYBE or NOT for the one link or folder `name`, in the folder `above`.

        A link counts if it was made since, a folder if it was renamed into `above`.
        """
        try:
            facts = files.lstat(name)
            if stat.S_ISLNK(facts.st_mode):
                return self.of_link(files, name, facts, above)
            if not stat.S_ISDIR(facts.st_mode) or facts.st_ctime <= self.since:
                return NOT
            around = files.stat(above)
        except (OSError, ValueError):
            return NOT
        if around.st_mtime <= self.since:
            return NOT
        # A rename of the folder sets only its ctime; a new or lost entry sets its mtime, too.
        is_renamed = facts.st_mtime != facts.st_ctime
        return SURELY if is_renamed and around.st_mtime > facts.st_ctime - TICK else MAYBE

    def of_link(self, files: Files, name: str, facts: os.stat_result, above: str) -> int:
        """Return SURELY if the link was made since, otherwise the result for its destination.

        The destination counts with all links and folders on its path.  `facts` are the link's own
        (lstat); `above` is the folder that it is in.
        """
        if facts.st_ctime > self.since:
            return SURELY
        self.known[files, name] = NOT  # ends the recursion in a circle of links
        if self.links > MOST_LINKS:
            return NOT
        where = os.path.join(files.realpath(above), files.readlink(name))
        self.links += 1
        found = self.of_folder(files, where)
        self.links -= 1
        return found
