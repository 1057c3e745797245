"""How an agent comes to be: in a process that is attached to, or with a new program of a tree.

`launch` calls these.  Its `start_thread` and `unpatched` know of threads and of functions that
gevent or eventlet have replaced, see `agent`.
"""

from __future__ import annotations

from typing import Any

from .. import session_files
from ..agent.session_folder import folder_in_tree
from ..interpreter import descriptors, json_text
from .agent import Agent
from .session_folder import SessionFolder


def run(folder: str, start_thread: Any, unpatched: Any, interval: float, forks: Any) -> bool:
    """Serve the session in its folder; the agent's thread runs this to its end.

    Returns whether the session is over too: not where the process is about to fork.  `forks`, which
    wait for this thread to arrive, and `interval` are Agent's.
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
        agent.watch_forks()  # a child would have coverage half imported
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
    """Begin to measure a new program of the tree with that folder; called before its first line.

    Raises what keeps it from being measured.
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
