"""Reasons why we may not look into a process, with the remedy on this machine (ptrace(2)).

The kernel only says no.  The reasons are looked for in its own order: first the user, then the
process's own protection, then security modules.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from covattach.errors import CovattachError, NotPossible
from covattach.process import capabilities

SYS_PTRACE = 19  # the number of the capability
SCOPE = Path("/proc/sys/kernel/yama/ptrace_scope")
CONTAINERS = ("/.dockerenv", "/run/.containerenv", "/var/run/secrets/kubernetes.io")


def own_status() -> dict[str, str]:
    """Return the fields of our own /proc/self/status."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8", errors="replace").splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def has_sys_ptrace() -> bool:
    """Whether we have CAP_SYS_PTRACE."""
    return bool(capabilities.parsed(own_status(), "CapEff") >> SYS_PTRACE & 1)


def ptrace_scope() -> int:
    """Return Yama's setting (Documentation/admin-guide/LSM/Yama.rst); 0 where there is no Yama."""
    try:
        return int(SCOPE.read_text(encoding="utf-8", errors="replace"))
    except (OSError, ValueError):
        return 0


def is_in_container() -> bool:
    """Whether we seem to be in a container: its runtimes leave these files."""
    return any(os.path.exists(name) for name in CONTAINERS)


def as_root(pid: int) -> str:
    """Return the words for how to run the same command as root."""
    if shutil.which("sudo"):
        return f"`sudo covattach … {pid}`"
    return f"the same command as root (`su -c 'covattach … {pid}'`)"


def refused(pid: int, status: dict[str, str], details: str = "") -> CovattachError:
    """Return the error for a process that we may not look into; `status` is its /proc/PID/status.

    A process is closed to its own user, too, if it has a right that we lack, or if it protects
    itself (`PR_SET_DUMPABLE`).
    """
    reason, remedy = why(pid, status)
    return NotPossible(f"You may not attach to process {pid}: {reason}.", f"{remedy}.", details)


def why(pid: int, status: dict[str, str]) -> tuple[str, str]:
    """Return the reason why we may not attach to a process, and its remedy."""
    uid, scope = int(status["Uid"].split()[1]), ptrace_scope()
    if scope >= 3:
        return (
            "this system forbids it to everybody (ptrace_scope is 3)",
            f"Start the machine with a smaller value in {SCOPE}: until then it cannot be changed",
        )
    if has_sys_ptrace() and os.geteuid() != 0:
        return (
            "CAP_SYS_PTRACE alone is not enough, as its files are not yours",
            f"Run {as_root(pid)}",
        )
    if has_sys_ptrace():
        return (
            "a security module, or the user namespace that it is in, forbids it",
            "Do it from the host, or run the container without its seccomp or AppArmor profile",
        )
    if os.geteuid() == 0:
        return (
            "you are root, but without the right to debug (CAP_SYS_PTRACE)",
            "Add it to the container: `docker run --cap-add SYS_PTRACE`, in Kubernetes"
            " `capabilities: {add: [SYS_PTRACE]}`; or attach from the host",
        )
    if uid != os.geteuid():
        reason = f"it belongs to user {uid}, and you are user {os.geteuid()}"
    elif capabilities.parsed(status, "CapPrm") & ~capabilities.parsed(own_status(), "CapPrm"):
        reason = "it has rights that you have not (capabilities)"
    elif scope:
        reason = f"only root may here (ptrace_scope is {scope})"
    else:
        reason = "it protects itself from its own user (it is not dumpable)"
    return reason, f"Run {as_root(pid)}{hint(uid, scope)}"


def hint(uid: int, scope: int) -> str:
    """Return another remedy than being root, to end a sentence; "" if there is none.

    `uid` is the user of the target, `scope` is Yama's setting.
    """
    if uid != os.geteuid() and uid != 0 and not is_in_container():
        return f", or as user {uid}"
    if uid == os.geteuid() and scope == 1:
        return ", or let users debug their own: `sysctl kernel.yama.ptrace_scope=0`, as root"
    if is_in_container() and uid == os.geteuid():
        return ", in a container that has SYS_PTRACE (`--cap-add SYS_PTRACE`)"
    return ""
