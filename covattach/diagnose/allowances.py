"""Limits on the CPU time spent on each user's processes, for a command that looks at many.

    with Allowances().looking_at(pid): …        raises TooMuch

The maps, the files and the mounts of one process have their limits, but many processes that each
stay below them add up.  So HONEST seconds are free for each process, and the time beyond that is
limited for each user.
"""

from __future__ import annotations

import collections
import contextlib
import time
from collections.abc import Iterator

from covattach.budget import TooMuch, limited
from covattach.process import plain_files

HONEST = 0.05  # seconds of CPU, for one process: usual are 0.005
OF_ONE_USER, OF_ALL = 3.0, 8.0  # seconds of CPU beyond that, for one user, and for all users
MEMORY = 100 << 20  # bytes: 65,530 mappings, the usual limit, are 50 MB
LONGEST_STATUS = 1 << 16  # bytes


class Allowances:
    """The CPU seconds that are `left` to each user ID; `waits` are the seconds spent in waiting.

    One person may have many user IDs (user_namespaces(7)), so there is a limit for all together,
    too.  Once it is reached, each process still has what is free.
    """

    def __init__(self) -> None:
        self.of_all = OF_ALL
        self.left: dict[int, float] = collections.defaultdict(lambda: OF_ONE_USER)
        self.waits: dict[int, float] = collections.defaultdict(float)

    @contextlib.contextmanager
    def looking_at(self, pid: int) -> Iterator[int]:
        """Look at process `pid` in the body, within its user's limit; yields the user ID.

        Raises TooMuch if this process takes too long, or if earlier ones of that user did.  Raises
        OSError if the process has ended.
        """
        user = user_of(pid)
        if self.left[user] <= 0:
            raise TooMuch(f"Looking at the processes of user {user}", "time")
        own = min(self.left[user], self.of_all)
        began, used = time.monotonic(), time.process_time()
        try:
            with limited(f"Looking at process {pid}", HONEST, MEMORY, own):
                yield user
        finally:
            used = time.process_time() - used
            self.waits[user] += max(time.monotonic() - began - used, 0.0)
            over = max(used - HONEST, 0.0)
            self.left[user] -= over
            self.of_all = max(self.of_all - over, 0.0)


def user_of(pid: int) -> int:
    """Return the real user ID of a process; raises OSError if it has ended.

    The owner of its folder in /proc says less: that is root for a process that is not dumpable.
    """
    status = plain_files.beginning(f"/proc/{pid}/status", LONGEST_STATUS)
    return int(status.partition(b"\nUid:")[2].split()[0])
