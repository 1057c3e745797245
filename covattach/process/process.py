"""A process as /proc shows it (proc(5)): identity, state, owner, memory map."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
import time
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from covattach.errors import CovattachError, NoTarget, NotPossible
from covattach.process import plain_files, procfs, procfs_errors, ptrace_permission
from covattach.process.identity import Standing
from covattach.process.memory_map import Mapping, parse_mappings
from covattach.process.owner import Owner

# Bytes.  A command line is cut off there: a program can have one of any length (prctl(2)).  The
# environment of a program has at most 6 MB (execve(2)).
LONGEST_COMMAND = 1 << 14
LONGEST_ENVIRONMENT = 8 << 20
LONGEST_MOUNTS = 4 << 20
LONGEST_MAPS = 32 << 20  # 65,530 mappings, the usual limit, are 7 MB with names of 50 characters


class Process:
    """A running process, or a zombie, known by its PID and the time it was started."""

    def __init__(self, pid: int) -> None:
        """Raise NoTarget where there is no process with this PID."""
        self.pid = pid
        self.proc = Path(f"/proc/{pid}")
        self.start_time = self.read_start_time()
        self.standing = self.read_standing()
        leader = int(self.status["Tgid"])
        if leader != pid:
            raise NoTarget(
                f"{pid} is no process, but a thread of process {leader}.",
                f"Use that PID: {leader}.",
            )

    def read_start_time(self) -> int:
        """Return when the process was started, in clock ticks since boot: field 22 of stat."""
        try:
            stat = plain_files.text(self.proc / "stat")
        except BlockingIOError:
            raise procfs_errors.leased(self.proc, "stat") from None
        except OSError:
            raise procfs_errors.nobody(self.pid) from None
        try:
            return procfs.parse_start_time(stat)
        except ValueError as error:
            raise procfs_errors.damaged(self.proc, "stat", error) from None

    def read_standing(self) -> Standing:
        """Return the users, rights and program that the process has now; raises NoTarget."""
        try:
            return Standing.of(self.proc, self.status)
        except BlockingIOError:
            raise procfs_errors.leased(self.proc, "stat") from None
        except (FileNotFoundError, ProcessLookupError):
            raise procfs_errors.nobody(self.pid) from None
        except ValueError as error:
            raise procfs_errors.damaged(self.proc, "stat", error) from None

    def age(self) -> float:
        """Return the age of the process in seconds."""
        ticks: float = self.start_time / os.sysconf("SC_CLK_TCK")
        return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks

    def is_alive(self) -> bool:
        """Whether the process still runs: it is no zombie, and no other process has its PID."""
        try:
            return self.read_start_time() == self.start_time and self.state not in "ZX"
        except NoTarget:
            return False

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Raise NoTarget in place of an error in the body, if the process has ended meanwhile."""
        try:
            yield
        except (OSError, NotPossible) as error:
            if self.is_alive():
                raise
            raise procfs_errors.ended(self.pid) from error

    @property
    def status(self) -> dict[str, str]:
        """The fields of /proc/PID/status, read now."""
        try:
            text = plain_files.text(self.proc / "status")
        except BlockingIOError:
            raise procfs_errors.leased(self.proc, "status") from None
        except OSError:
            self.read_start_time()  # raises NoTarget if it has ended
            raise
        try:
            return procfs.parse_status(text)
        except ValueError as error:
            raise procfs_errors.damaged(self.proc, "status", error) from None

    @property
    def state(self) -> str:
        """The state as a letter: R, S, D, T (stopped), t (traced), Z, X."""
        return self.status["State"][0]

    @property
    def is_stopped(self) -> bool:
        """Whether the process is stopped or traced, so that nothing in it can answer."""
        return self.state in "Tt"

    @property
    def tracer(self) -> int:
        """The PID of the debugger that is attached, or 0."""
        return int(self.status["TracerPid"])

    @property
    def uid(self) -> int:
        """The effective user id."""
        return int(self.status["Uid"].split()[1])

    @property
    def owner(self) -> Owner:
        """The effective user with all groups, whose rights we access the process's files with."""
        return self.read_standing().owner

    @property
    def sees_as_we_do(self) -> bool:
        """Whether the process has our root directory, and our effective user."""
        return self.root == Path("/") and self.uid == os.geteuid()

    @cached_property
    def inner_pid(self) -> int:
        """The PID as the process itself sees it, in the innermost PID namespace."""
        return int([str(self.pid), *self.status.get("NSpid", "").split()][-1])

    @property
    def inner_threads(self) -> dict[int, Path]:
        """The folders of the threads in /proc, by the thread ids that the process itself sees."""
        found = {}
        for status in self.proc.glob("task/*/status"):
            with contextlib.suppress(OSError):  # a thread may end at any time
                ids = re.search(r"^NSpid:.*?(\d+)$", plain_files.text(status), re.M)
                found[int(ids[1] if ids else status.parent.name)] = status.parent
        return found

    @property
    def descriptors(self) -> tuple[int, int]:
        """The number of open file descriptors, and their limit; raises NotPossible."""
        try:
            used = len(os.listdir(self.proc / "fd"))
            limits = plain_files.text(self.proc / "limits")
            found = re.search(r"^Max open files +(\d+)", limits, re.M)
        except PermissionError:
            raise may_not(self) from None
        except OSError:
            self.read_start_time()
            raise
        return used, int(found[1]) if found else sys.maxsize

    @property
    def command(self) -> str:
        """The command line, with spaces between the arguments."""
        words = plain_files.beginning(self.proc / "cmdline", LONGEST_COMMAND)
        return words.replace(b"\0", b" ").decode(errors="replace")

    @property
    def name(self) -> str:
        """The short name of the program."""
        return plain_files.text(self.proc / "comm").strip()

    @cached_property
    def root(self) -> Path:
        """The root folder of the process, as a path for us: "/" if it is ours too."""
        try:
            theirs, ours = (os.stat(f"/proc/{who}/root/.") for who in (self.pid, "self"))
        except PermissionError:
            raise may_not(self) from None
        except (FileNotFoundError, ProcessLookupError):
            self.read_start_time()  # raises NoTarget if it has been collected
            return Path("/")  # it is a zombie, which has no root any more
        same = (theirs.st_dev, theirs.st_ino) == (ours.st_dev, ours.st_ino)
        return Path("/") if same and self.shares("mnt") else self.proc / "root"

    def shares(self, namespace: str) -> bool:
        """Whether the process is in our namespace of that kind: mnt, pid, net, user."""
        mine = os.readlink(f"/proc/self/ns/{namespace}")
        return os.readlink(self.proc / "ns" / namespace) == mine

    @property
    def memory_folders(self) -> list[str]:
        """The mount points of writable tmpfs, as the process sees them, for files of ours."""
        try:
            text = plain_files.beginning(self.proc / "mountinfo", LONGEST_MOUNTS)
        except OSError:
            return []
        return procfs.memory_folders(text.decode(errors="replace"))

    def path_of(self, theirs: str) -> Path:
        """Return our path to the file with the path `theirs` in the process's own view."""
        return self.root / theirs.lstrip("/")

    @property
    def cwd(self) -> Path:
        """The working directory, as the process sees it; the file system's root if deleted."""
        where = os.readlink(self.proc / "cwd").removesuffix(" (deleted)")
        if self.root != Path("/"):
            where = "/" + where.removeprefix(os.readlink(self.proc / "root")).lstrip("/")
        return Path(where)

    @property
    def environment(self) -> dict[str, str]:
        """The environment it was started with."""
        content = plain_files.beginning(self.proc / "environ", LONGEST_ENVIRONMENT)
        return procfs.environment(content)

    @cached_property
    def mappings(self) -> list[Mapping]:
        """The memory mappings of the process; raises NotPossible where we may not look."""
        try:
            content = plain_files.whole(self.proc / "maps", LONGEST_MAPS)
        except PermissionError:
            raise may_not(self) from None
        except OSError as error:
            self.read_start_time()
            if error.errno == errno.EFBIG:
                raise procfs_errors.too_long(self.proc, "maps") from None
            raise
        try:
            return parse_mappings(content.decode(errors="surrogateescape"))
        except ValueError as error:
            raise procfs_errors.damaged(self.proc, "maps", error) from None

    def open_mapped(self, mapping: Mapping) -> Path:
        """Return a path by which we can read the file behind `mapping`, also a deleted one."""
        path = self.path_of(mapping.path)
        # The target could have put a pipe there, which we would wait for.
        if not mapping.deleted and path.is_file():
            return path
        return self.proc / "map_files" / f"{mapping.start:x}-{mapping.end:x}"


def may_not(process: Process, details: str = "") -> CovattachError:
    """Return the error for a process that we have no right to look into; `details` are for `-v`."""
    return ptrace_permission.refused(process.pid, process.status, details)
