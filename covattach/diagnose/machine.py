"""Preconditions of this machine, for targets of any kind: each tried for real."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

from covattach.attach import coverage_packages
from covattach.diagnose.finding import Finding, tried
from covattach.errors import NotPossible
from covattach.injector.architecture import support
from covattach.injector.gdb_driver import Gdb, GdbError, GdbTimeout
from covattach.process import ptrace_permission

PATIENCE = 15.0  # seconds for gdb to attach to a process of ours
SOUND = 14  # the first version of gdb that restores all registers on AMD with AVX-512


def of_machine() -> Iterator[Finding]:
    """Try the preconditions that do not depend on a target: the machine, gdb, and coverage."""
    yield tried("machine", machine)
    yield tried("right to debug", right_to_debug)
    yield tried("gdb", debugger)
    yield tried("coverage", coverages)


def machine() -> str:
    """Describe the kernel, the processor, the container, and how Yama restricts debugging."""
    system = os.uname()
    where = "in a container" if ptrace_permission.is_in_container() else "not in a container"
    scope = "this kernel has no Yama (ptrace_scope) to restrict debugging"
    if ptrace_permission.SCOPE.exists():
        text = ptrace_permission.SCOPE.read_text(encoding="utf-8", errors="replace")
        scope = f"ptrace_scope {text.strip()}"
    return f"{system.sysname} {system.release}, {system.machine}, {where}; {scope}"


def right_to_debug() -> str:
    """Describe which processes we have the right to attach to."""
    if ptrace_permission.has_sys_ptrace():
        return "yes, any process (CAP_SYS_PTRACE)"
    return f"only processes of user {os.geteuid()} that have no more rights"


def debugger() -> str:
    """Check that gdb can attach to a test process of ours, and describe it; raises NotPossible."""
    with Gdb(support.REGISTERS) as gdb:
        deadline = time.monotonic() + PATIENCE
        try:
            gdb.prepare(deadline)
            said = gdb.command("show version", deadline)
        except (GdbError, GdbTimeout) as error:
            raise NotPossible(f"gdb does not work here: {error}.", "Run `gdb --version`.") from None
        failed = [line for line in gdb.transcript if line.startswith("(no attach")]
    if failed:
        raise NotPossible(
            "gdb may not attach even to a test process that covattach has started.",
            "In a container allow ptrace: `--cap-add SYS_PTRACE`, or another seccomp profile.",
            "\n".join(failed),
        )
    version = next(iter(re.findall(r"\d+\.\d+", " ".join(said[:1]))), "of unknown version")
    return f"gdb {version}; a trial attach to a test process worked{registers(version)}"


def registers(version: str) -> str:
    """Describe this gdb's bug with this processor's registers, which does no harm, or return ""."""
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    if not version[:1].isdigit() or int(version.partition(".")[0]) >= SOUND:
        return ""
    if " amx_tile " in flags:
        wrong = "the registers of a processor with AMX"
    elif " avx512f " in flags and "AuthenticAMD" in flags:
        wrong = "AVX-512 registers on AMD"
    else:
        return ""
    return (
        f". gdb before {SOUND} has a bug with {wrong}: it does no harm, for covattach never has gdb"
        " touch them"
    )


def coverages() -> str:
    """Describe for which Python versions covattach has a coverage, for targets that have none."""
    versions = [(3, minor) for minor in range(9, 16)]
    there = [f"3.{version[1]}" for version in versions if coverage_packages.find(version, "ctrace")]
    return (
        f"a process that has none of its own gets covattach's: on Python {', '.join(there)}, and"
        " with the core sysmon on 3.12 and later"
    )
