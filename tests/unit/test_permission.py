"""Why a process may not be looked into: reasons that not every kernel gives, by the code alone.

The others are tried with real users in tests/integration/test_permissions.py.
"""

from __future__ import annotations

import os

import pytest

from covattach.process import ptrace_permission


def refusal(
    monkeypatch: pytest.MonkeyPatch, scope: int, uid: int, root: bool, right: bool
) -> tuple[str, str]:
    """Return the message and the remedy for a caller, with some `ptrace_scope`."""
    monkeypatch.setattr(ptrace_permission, "ptrace_scope", lambda: scope)
    monkeypatch.setattr(ptrace_permission, "has_sys_ptrace", lambda: right)
    monkeypatch.setattr(ptrace_permission, "is_in_container", lambda: False)
    monkeypatch.setattr(os, "geteuid", lambda: 0 if root else uid)
    error = ptrace_permission.refused(4711, {"Uid": f"{uid} {uid} {uid} {uid}", "CapPrm": "0"})
    assert error.exit_code == 4
    return error.message, error.remedy


@pytest.mark.parametrize(
    ("scope", "root", "right", "reason", "remedy"),
    [
        (0, False, False, "not dumpable", "4711"),
        (1, False, False, "ptrace_scope is 1", "sysctl kernel.yama.ptrace_scope=0"),
        (2, False, False, "ptrace_scope is 2", "covattach … 4711"),
        (3, False, False, "everybody", "Start the machine"),
        (3, True, True, "everybody", "Start the machine"),
        (0, True, False, "CAP_SYS_PTRACE", "--cap-add SYS_PTRACE"),
        (1, True, True, "security module", "from the host"),
    ],
)
def test_the_remedy_fits(
    scope: int, root: bool, right: bool, reason: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each reason comes with its own remedy."""
    said = refusal(monkeypatch, scope, 1000, root, right)
    assert reason in said[0]
    assert remedy in said[1]
