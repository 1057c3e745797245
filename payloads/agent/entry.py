"""Entry points that create an agent: in an attached process, or in a new program of a tree.

launch.py calls these.  They pass its `start_thread`, `unpatched` and `forks` on to `Agent`.
"""

from __future__ import annotations

from typing import Any

from .. import session_files
from ..agent.session_folder import folder_in_tree
from ..interpreter import descriptors, json_text
from .agent import Agent
from .session_folder import SessionFolder


def run(folder: str, start_thread: Any, unpatched: Any, interval: float, forks: Any) -> bool:
    """Run the agent of the session in `folder`, in this thread; return whether the session is over.

    It is not over if the thread has ended because the process is about to fork.  Forks wait in
    `forks` until the agent listens; `interval` is for `Agent`.
    """
    agent = Agent(
        SessionFolder(folder),
        f"{folder}/{session_files.PAYLOADS}",
        start_thread,
        unpatched,
        forks,
        interval,
    )
    try:
        agent.open()
        agent.watch_forks()  # without that, a forked child would have coverage half imported
    except BaseException:
        agent.keeps_folder = True  # the reason is to be left in it
        agent.stop()
        raise
    forks.end()
    begin_as_told(agent)
    agent.serve()
    return agent.session.is_over


def begin_as_told(agent: Agent) -> None:
    """Execute the request that is in the session's folder, if `start.py` has left one there."""
    try:
        request = json_text.loads(descriptors.read(f"{agent.folder.path}/{session_files.REQUEST}"))
    except OSError:
        return
    try:
        agent.do(request)
    except Exception as error:
        agent.shutdown.tell_fault(error)


def start_up(folder: str, start_thread: Any, unpatched: Any, forks: Any) -> None:
    """Begin to measure this process, a new program of the tree in `folder`, before its first line.

    Raises any exception that keeps it from being measured.
    """
    request = json_text.loads(descriptors.read(f"{folder}/{session_files.TREE_REQUEST}"))
    session_folder = folder_in_tree(folder, request.get("key"), unpatched)
    agent = Agent(
        session_folder, f"{folder}/{session_files.PAYLOADS}", start_thread, unpatched, forks
    )
    try:
        agent.do(request)
    except BaseException:
        agent.stop()
        raise
    agent.listener.close()
    agent.at_fork.start_serving()
