"""Session folders of the whole host, also below the root directories of containers.

Any user can give each of their processes a root of its own, with many file systems in memory.  So
the number of folders, and the time to find them, is limited for each user.
"""

from __future__ import annotations

import collections
import contextlib
import itertools
import time
from collections.abc import Iterator
from pathlib import Path

from covattach.errors import CovattachError
from covattach.process.namespaces import processes_elsewhere
from covattach.session.folder import SessionFolder
from covattach.session.folder_lookup import BASES, MOST_OF_ONE, folders_in

ELSEWHERE = 2.0  # seconds of CPU for the roots of all processes of one user


def everywhere() -> Iterator[SessionFolder]:
    """Yield each session folder on this host that we may look into, in containers too."""
    seen = set()
    for folder in itertools.chain(folders_in(Path("/")), elsewhere()):
        with contextlib.suppress(OSError):  # it has just been removed
            found = folder.path.lstat()
            if (found.st_dev, found.st_ino) not in seen:  # one that several can see
                seen.add((found.st_dev, found.st_ino))
                yield folder


def elsewhere() -> Iterator[SessionFolder]:
    """Yield the session folders of processes whose root directory is not ours.

    For the processes of one user, at most MOST_OF_ONE folders and ELSEWHERE seconds of CPU.
    """
    number: collections.Counter[int] = collections.Counter()
    used: dict[int, float] = collections.defaultdict(float)
    for process in processes_elsewhere():
        user, began = process.standing.users[0], time.thread_time()
        with contextlib.suppress(CovattachError, OSError):
            if used[user] > ELSEWHERE:
                continue
            for folder in folders_in(process.root, (*BASES, *process.memory_folders)):
                number[user] += 1
                if number[user] > MOST_OF_ONE or time.thread_time() - began > ELSEWHERE:
                    break
                yield folder
        used[user] += time.thread_time() - began
