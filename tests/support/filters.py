"""Numbers of system calls, for the seccomp filters of tests/targets/filtered.py."""

from __future__ import annotations

from covattach.process import seccomp_calls

MOUNT, SOCKET = 165, 41
# What the target needs for itself, to answer and to end.
OWN = {
    "brk": 12,
    "exit_group": 231,
    "getrandom": 318,
    "prctl": 157,
    "rt_sigreturn": 15,
    "select": 23,
}


def allowed(minor: tuple[int, int]) -> str:
    """Return the numbers of the calls that a session makes in a target of version `minor`.

    They are separated by commas; those that the target itself needs are among them.
    """
    needed = seccomp_calls.needed("EM_X86_64", minor, is_old_libc=True)
    names = {name for name, _ in needed} | {"clone3", "newfstatat", "lstat", "stat"}
    numbers = {seccomp_calls.number(name, "EM_X86_64") for name in names} | set(OWN.values())
    return ",".join(map(str, numbers))
