"""A process as /proc shows it (proc(5)): identity, state, owner, memory map."""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from covattach.errors import NoTarget, NotPossible


@dataclass(frozen=True)
class Mapping:
    """One line of /proc/PID/maps; addresses in bytes, `offset` in the file in bytes."""

    start: int
    end: int
    permissions: str
    offset: int
    path: str

    @property
    def deleted(self) -> bool:
        """Whether the file was removed or replaced since it was mapped."""
        return self.path.endswith(" (deleted)")


def parse_mapping(line: str) -> Mapping:
    """Return one line of /proc/PID/maps as a Mapping."""
    fields = line.split(maxsplit=5)
    start, end = fields[0].split("-")
    path = fields[5].rstrip("\n") if len(fields) > 5 else ""
    return Mapping(int(start, 16), int(end, 16), fields[1], int(fields[2], 16), path)


class Process:
    """A running process, or a zombie, known by its PID and the time it was started."""

    def __init__(self, pid: int) -> None:
        """Raise NoTarget where there is no process with this PID."""
        self.pid = pid
        self.proc = Path(f"/proc/{pid}")
        self.start_time = self.read_start_time()
        leader = int(self.status["Tgid"])
        if leader != pid:
            raise NoTarget(
                f"{pid} is no process, but a thread of process {leader}.",
                f"Use that PID: {leader}.",
            )

    def read_start_time(self) -> int:
        """Return when the process was started, in clock ticks since boot: field 22 of stat."""
        try:
            stat = (self.proc / "stat").read_text()
        except OSError:
            raise NoTarget(
                f"There is no process {self.pid}.",
                "Look for the PID with `pgrep -af python`.",
            ) from None
        # The name, field 2, may contain anything, also spaces and parentheses.
        return int(stat.rpartition(")")[2].split()[19])

    def is_alive(self) -> bool:
        """Whether it is still there: the same process, and not another with its PID."""
        try:
            return self.read_start_time() == self.start_time and self.state not in "ZX"
        except NoTarget:
            return False

    @property
    def status(self) -> dict[str, str]:
        """The fields of /proc/PID/status, read now."""
        try:
            lines = (self.proc / "status").read_text().splitlines()
        except OSError:
            self.read_start_time()  # says so if it has ended
            raise
        return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}

    @property
    def state(self) -> str:
        """One letter: R, S, D, T (stopped), t (traced), Z, X."""
        return self.status["State"][0]

    @property
    def tracer(self) -> int:
        """The PID of the debugger that is attached, or 0."""
        return int(self.status["TracerPid"])

    @property
    def uid(self) -> int:
        """The effective user id."""
        return int(self.status["Uid"].split()[1])

    @property
    def gid(self) -> int:
        """The effective group id."""
        return int(self.status["Gid"].split()[1])

    @cached_property
    def inner_pid(self) -> int:
        """The PID as the process itself sees it, in the innermost PID namespace."""
        return int(self.status.get("NSpid", str(self.pid)).split()[-1])

    @property
    def inner_threads(self) -> dict[int, Path]:
        """The ids of the threads, as the process itself sees them, and where they are in /proc."""
        found = {}
        for status in self.proc.glob("task/*/status"):
            with contextlib.suppress(OSError):  # a thread may end at any time
                ids = re.search(r"^NSpid:.*?(\d+)$", status.read_text(), re.M)
                found[int(ids[1] if ids else status.parent.name)] = status.parent
        return found

    @property
    def command(self) -> str:
        """The command line, with spaces between the arguments."""
        return (self.proc / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")

    @property
    def name(self) -> str:
        """The short name of the program."""
        return (self.proc / "comm").read_text().strip()

    @cached_property
    def root(self) -> Path:
        """What the process sees as `/`, as a path for us: "/" where that is the same."""
        try:
            theirs, ours = (os.stat(f"/proc/{who}/root/.") for who in (self.pid, "self"))
        except PermissionError:
            raise may_not(self) from None
        same = (theirs.st_dev, theirs.st_ino) == (ours.st_dev, ours.st_ino)
        return Path("/") if same and self.shares("mnt") else self.proc / "root"

    def shares(self, namespace: str) -> bool:
        """Whether the process is in our namespace of that kind: mnt, pid, net, user."""
        mine = os.readlink(f"/proc/self/ns/{namespace}")
        return os.readlink(self.proc / "ns" / namespace) == mine

    def path_of(self, theirs: str) -> Path:
        """Return for us the path that is `theirs` in the process's own view."""
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
        text = (self.proc / "environ").read_bytes().decode(errors="surrogateescape")
        return dict(item.partition("=")[::2] for item in text.split("\0") if "=" in item)

    @cached_property
    def mappings(self) -> list[Mapping]:
        """What is mapped into its memory; raises NotPossible where we may not look."""
        try:
            lines = (self.proc / "maps").read_text(errors="surrogateescape").splitlines()
        except PermissionError:
            raise may_not(self) from None
        except OSError:
            self.read_start_time()
            raise
        return [parse_mapping(line) for line in lines]

    def open_mapped(self, mapping: Mapping) -> Path:
        """Return a path by which we can read the file behind a mapping, also a deleted one."""
        if not mapping.deleted and self.path_of(mapping.path).exists():
            return self.path_of(mapping.path)
        return self.proc / "map_files" / f"{mapping.start:x}-{mapping.end:x}"


def may_not(process: Process) -> NotPossible:
    """Return the error for a process that we have no right to look into."""
    return NotPossible(
        f"You may not attach to process {process.pid}: it belongs to user {process.uid}"
        " or has rights that you have not.",
        f"Run the same command as that user or as root: `sudo covattach … {process.pid}`.",
    )
