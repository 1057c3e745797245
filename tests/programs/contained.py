"""Starts a program in a container, as a container's runtime would; run by root.

    contained.py ROOT PLACES UID -- PROGRAM ARGUMENTS…

The program gets mount, PID, network and user namespaces of its own, and the folder `ROOT` as its
root, read-only.  `PLACES` are folders below it, separated by commas ("" for none): a file system in
memory is mounted on each.  The working directory is `/run`, where tests/targets is mounted.  `UID`
is the program's user in the container; outside it has that user ID plus 100,000.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

NEWNS, NEWUSER, NEWPID, NEWNET = 0x20000, 0x10000000, 0x20000000, 0x40000000
RDONLY, NOEXEC, REMOUNT, BIND, REC, PRIVATE = 1, 8, 32, 4096, 16384, 1 << 18
PIVOT_ROOT, DETACH = 155, 2  # a system call that the C library has no function for (x86-64)
FIRST, HOW_MANY = 100_000, 65536  # the user IDs outside that those inside are mapped to
TARGETS = Path(__file__).parent.parent / "targets"
libc = ctypes.CDLL(None, use_errno=True)


def must(result: int, what: str) -> None:
    """Raise OSError, with the system's reason, unless the `result` of a call to C is 0."""
    if result != 0:
        raise OSError(ctypes.get_errno(), what)


def mount(source: str | Path, target: Path, kind: str = "", flags: int = 0, data: str = "") -> None:
    """Attach a file system or folder to the path `target`, or raise OSError."""
    words = [str(word).encode() for word in (source, target, kind)]
    must(libc.mount(*words, ctypes.c_ulong(flags), data.encode()), f"mount {target}")


def furnish(root: Path, places: list[str]) -> None:
    """Make `root` the root directory of this process, read-only but for the folders `places`."""
    mount("none", Path("/"), flags=REC | PRIVATE)
    mount(root, root, flags=BIND)
    mount("proc", root / "proc", "proc")
    mount(TARGETS, root / "run", flags=BIND)
    for place in places:
        if place == "dev/shm":
            mount("none", root / "dev", "tmpfs", data="mode=755")
            (root / place).mkdir()
        flags = NOEXEC if place == "dev/shm" else 0  # as Docker does
        mount("none", root / place, "tmpfs", flags, "mode=1777,size=16m")
    mount("none", root / "run", flags=BIND | REMOUNT | RDONLY)
    mount("none", root, flags=BIND | REMOUNT | RDONLY)
    os.chdir(root)  # not chroot: who is in one is not given users of their own
    must(libc.syscall(PIVOT_ROOT, b".", b"."), "pivot_root")
    must(libc.umount2(b".", DETACH), "umount")
    os.chdir("/run")


def main(root: str, places: str, uid: str, _: str, *program: str) -> int:
    """Start the program in new namespaces, map its user IDs, and wait; return its exit code."""
    ask, asked = os.pipe()
    answered, answer = os.pipe()
    must(libc.unshare(NEWPID | NEWNET), "unshare")
    child = os.fork()
    if child == 0:
        must(libc.unshare(NEWNS), "unshare")
        furnish(Path(root), list(filter(None, places.split(","))))
        must(libc.unshare(NEWUSER), "unshare")
        os.write(asked, b"x")
        os.read(answered, 1)  # nothing, if the runtime has ended
        os.setgroups([])
        os.setresgid(int(uid), int(uid), int(uid))
        os.setresuid(int(uid), int(uid), int(uid))
        for descriptor in (ask, asked, answered, answer):
            os.close(descriptor)
        os.execve(program[0], program, {"PATH": "/usr/bin:/bin"})  # noqa: S606
    os.close(asked)
    os.read(ask, 1)  # nothing, if that has failed
    for name in ("uid_map", "gid_map"):
        Path(f"/proc/{child}/{name}").write_text(f"0 {FIRST} {HOW_MANY}\n")
    os.write(answer, b"x")
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
