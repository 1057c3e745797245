"""The tree that a process belongs to, as that process sees it: its folder, and its own role.

A tree is known by the folder of its first session, `tree` in a request.  There the first process
leaves the facts by which a new program is measured like the others.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from ..interpreter import descriptors, json_text
from ..session_files import TREE_REQUEST
from . import uwsgi
from .child_programs import ChildPrograms

LIBRARIES = ("billiard.process", "multiprocessing.process")  # celery's own, and everybody's
SERVERS = {
    "gunicorn.workers.sync": "gunicorn sync worker",
    "gunicorn.workers.gthread": "gunicorn gthread worker",
    "gunicorn.workers.ggevent": "gunicorn gevent worker",
    "gunicorn.workers.geventlet": "gunicorn eventlet worker",
    "uvicorn.workers": "gunicorn uvicorn worker",
    "uvicorn_worker": "gunicorn uvicorn worker",
}
PATTERNS = ("run:include", "run:omit", "report:include", "report:omit")
SOURCES = ("run:source", "run:source_dirs")


class Tree:
    """One process's part in its tree.

    `request` is that of its start; `save` saves a snapshot, before the process ends in a way that
    would leave no time for it.
    """

    def __init__(self, request: dict[str, Any], save: Any) -> None:
        self.folder = str(request["tree"])
        self.key = request.get("key")
        self.was_forked = False
        self.children = ChildPrograms(self.folder, save)
        self.children.install()

    @property
    def role(self) -> str:
        """The role of this process in its tree, as far as it is known: the same for its likes."""
        known = of_a_library() or uwsgi.role() or of_a_server(self.was_forked)
        return known or program(self.was_forked)

    def after_fork_in_child(self) -> None:
        """Be a forked child from now on."""
        self.was_forked = True

    def is_over(self) -> bool:
        """Tell whether the whole tree is not measured any more."""
        return not os.path.isdir(self.folder)

    def uninstall(self) -> None:
        """Leave children alone from now on."""
        self.children.uninstall()


def until(request: dict[str, Any], now: float) -> float:
    """Return when measuring is to end by itself, by the monotonic clock; infinity for never."""
    if request.get("until"):
        return float(request["until"])
    return now + float(request["for"]) if request.get("for") else float("inf")


def announce(request: dict[str, Any], ends: float) -> None:
    """Leave the request of the first process of a tree for the programs that are started later.

    They may have another working directory: relative paths are made absolute here.
    """
    options = request.get("options", {})
    settings = dict(options.get("settings", {}))
    for name in PATTERNS:
        if name in settings:
            settings[name] = [p if p.startswith(("*", "?")) else whole(p) for p in settings[name]]
    for name in SOURCES:
        if name in settings:
            settings[name] = [whole(one) if os.path.isdir(one) else one for one in settings[name]]
    later = {**request, "options": {**options, "settings": settings, "here": True}}
    if ends != float("inf"):
        later["until"] = ends
    beside = f"{request['tree']}/{TREE_REQUEST}.new"
    descriptors.write(beside, [json_text.dumps(later).encode()])
    os.replace(beside, f"{request['tree']}/{TREE_REQUEST}")


def whole(path: str) -> str:
    """Return a path as an absolute one."""
    return os.path.abspath(path)


def of_a_library() -> str:
    """Return this process's name in the library that made it, without its number; or ""."""
    for library in LIBRARIES:
        process = getattr(sys.modules.get(library), "_current_process", None)
        kind = type(process)
        name = getattr(process, "_name", None)
        if type(name) is str and name != "MainProcess":
            if kind.__module__.partition(".")[0] not in ("multiprocessing", "billiard"):
                return str(kind.__name__)
            return name.rstrip("0123456789:-") or name
    return ""


def of_a_server(was_forked: bool) -> str:
    """Return the name for a server's worker, such as "gunicorn worker"; or ""."""
    if was_forked and "gunicorn.arbiter" in sys.modules:
        kinds = [name for module, name in SERVERS.items() if module in sys.modules]
        return kinds[-1] if kinds else "gunicorn worker"
    return ""


def program(was_forked: bool) -> str:
    """Return the name of the program, which a forked child is a child of."""
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    name = getattr(spec, "name", None)
    if type(name) is not str:
        arguments = getattr(sys, "argv", None) or [""]
        name = os.path.basename(str(arguments[0])) or "python"
        if name == "-c" and "multiprocessing.forkserver" in sys.modules:
            name = "forkserver"
    name = name.removesuffix(".__main__")
    return f"child of {name}" if was_forked else name
