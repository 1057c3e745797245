"""Runs in the virtual machine of yama_guest.py: attaches with each value of `ptrace_scope`.

    inside_guest.py CHECKOUT SITE

It is run by root, on the host's own root, which is read-only, with an empty /tmp.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

USER = 54321
PYTHON = "/usr/bin/python3"
SCOPE = Path("/proc/sys/kernel/yama/ptrace_scope")
HERE = Path("/tmp/guest")  # noqa: S108  the guest's own, and nobody else is there
TARGET = "print('ready', flush=True)\nimport time\nwhile True: time.sleep(0.05)"


def lay_out(checkout: Path) -> None:
    """Copy covattach to a folder that every user can read."""
    HERE.mkdir()
    HERE.chmod(0o777)
    for source, target in (("covattach", "covattach"), ("payloads", "covattach/payloads")):
        shutil.copytree(checkout / source, HERE / "site" / target)


def covattach(uid: int, site: str, *words: str) -> tuple[int, str]:
    """Run a command of covattach as a user; return the exit code and standard error."""
    path = f"{HERE / 'site'}:{site}"
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": path, "XDG_CACHE_HOME": f"{HERE}/{uid}"}
    how: dict[str, Any] = {"user": uid, "group": uid, "extra_groups": [], "env": environment}
    command = [PYTHON, "-m", "covattach", *words]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False, **how)
    return done.returncode, done.stderr.strip()


def attach(scope: int, who: str, uid: int, site: str) -> None:
    """Attach, as the user `uid`, to a process of USER, and print the outcome."""
    how: dict[str, Any] = {"user": USER, "group": USER, "extra_groups": [], "cwd": "/"}
    with subprocess.Popen([PYTHON, "-c", TARGET], stdout=subprocess.PIPE, **how) as target:
        assert target.stdout is not None
        target.stdout.readline()
        pid = str(target.pid)
        code, said = covattach(uid, site, "start", pid, "--data-file", str(HERE / pid))
        print(f"ptrace_scope {scope}, {who}: exit {code}\n  " + said.replace("\n", "\n  "))
        if code == 0:
            assert covattach(uid, site, "stop", pid, "--no-dump")[0] == 0
        assert target.poll() is None, "the target has died"
        target.kill()


def main(checkout: str, site: str) -> None:
    """Try each value of `ptrace_scope`; the last one cannot be taken back."""
    lay_out(Path(checkout))
    print(f"Linux {os.uname().release}")
    for scope in range(4):
        SCOPE.write_text(str(scope))
        for who, uid in (("the same user", USER), ("root", 0)):
            attach(scope, who, uid, site)
    print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
