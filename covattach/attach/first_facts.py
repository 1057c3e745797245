"""The facts that are written into a session's folder before there is an agent."""

from __future__ import annotations

import os
import time
from typing import Any

from covattach.process.process import Process
from covattach.session.folder import SessionFolder


def first_facts(process: Process, wanted: dict[str, Any]) -> dict[str, Any]:
    """Return the facts of a session that are known before there is an agent.

    `wanted` are the settings of coverage.
    """
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
    """Return the facts of a session about its tree: folder and key; {} if it has no tree.

    `tree` is the tree's folder as the target sees it, "" for a new tree in `folder`, None for no
    tree.
    """
    if tree is None:
        return {}
    return {"tree": tree or folder.path_in_target, "key": key}
