"""The facts in a session's folder before there is an agent."""

from __future__ import annotations

import os
import time
from typing import Any

from covattach.process.process import Process
from covattach.session.folder import SessionFolder


def first_facts(process: Process, wanted: dict[str, Any]) -> dict[str, Any]:
    """Return the facts that are in the session's folder before there is an agent."""
    return {
        "pid": process.pid,
        "start_time": process.start_time,
        "command": process.command,
        "cwd": str(process.cwd),
        "created": time.time(),
        "attacher": [os.getpid(), Process(os.getpid()).start_time],
        "settings": wanted,
    }


def tree_facts(tree: str | None, key: str, folder: SessionFolder) -> dict[str, Any]:
    """Return the tree's folder and its key, for the session; nothing if it has no tree."""
    if tree is None:
        return {}
    return {"tree": tree or folder.path_in_target, "key": key}
