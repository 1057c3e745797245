"""A process's part in its tree: the tree's folder, this process's role, and its child programs.

A tree is known by the folder of its first session, `tree` in a request.  There the first process
leaves the request by which a new program is measured like the others.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from ..interpreter import descriptors, json_text
from ..session_files import TREE_REQUEST
from . import uwsgi
from .child_programs import ChildPrograms

LIBRARIES = ("billiard.process", "multiprocessing.process")  # celery's fork, and the original
SERVERS = {  # roles of gunicorn's workers, by a module that such a worker has imported
    "gunicorn.workers.sync": "gunicorn sync worker",
    "gunicorn.workers.gthread": "gunicorn gthread worker",
    "gunicorn.workers.ggevent": "gunicorn gevent worker",
    "gunicorn.workers.geventlet": "gunicorn eventlet worker",
    "uvicorn.workers": "gunicorn uvicorn worker",
    "uvicorn_worker": "gunicorn uvicorn worker",
}
PATTERNS = ("run:include", "run:omit", "report:include", "report:omit")  # coverage's settings
SOURCES = ("run:source", "run:source_dirs")  # those that are folders, or names of packages


class Tree:
    """The present process as a member of its tree.

    `request` is the one by which measuring began.  `save` saves a snapshot; it is called before the
    process ends without calling its `atexit` functions.
    """

    def __init__(self, request: dict[str, Any], save: Any) -> None:
        self.folder = str(request["tree"])
        self.key = request.get("key")
        self.was_forked = False
        self.children = ChildPrograms(self.folder, save)
        self.children.install()

    @property
    def role(self) -> str:
        """The role of this process in its tree, as far as known; similar processes share it."""
        known = of_a_library() or uwsgi.role() or of_a_server(self.was_forked)
        return known or program(self.was_forked)

    def after_fork_in_child(self) -> None:
        """Note that this process is a forked child now."""
        self.was_forked = True

    def is_over(self) -> bool:
        """Tell whether measuring the whole tree has ended: its folder is gone."""
        return not os.path.isdir(self.folder)

    def uninstall(self) -> None:
        """Restore the functions that start programs: new ones are not measured any more."""
        self.children.uninstall()


def until(request: dict[str, Any], now: float) -> float:
    """Return when measuring is to end by itself, by the monotonic clock; infinity for never.

    In `request`, `until` is such a time, and `for` are seconds from `now`.
    """
    if request.get("until"):
        return float(request["until"])
    return now + float(request["for"]) if request.get("for") else float("inf")


def announce(request: dict[str, Any], ends: float) -> None:
    """Write the request by which new programs of a tree are measured, to the tree's folder.

    It is made of `request`, that of the tree's first process; `ends` is as `until` returns it.  New
    programs may have another working directory: relative paths are made absolute here.
    """
    options = request.get("options", {})
    settings = dict(options.get("settings", {}))
    for name in PATTERNS:
        if name in settings:
            settings[name] = [p if p.startswith(("*", "?")) else whole(p) for p in settings[name]]
    for name in SOURCES:
        if name in settings:
            settings[name] = [whole(one) if os.path.isdir(one) else one for one in settings[name]]
    later = {**request, "options": {**options, "settings": settings, "is_only_thread": True}}
    if ends != float("inf"):
        later["until"] = ends
    beside = f"{request['tree']}/{TREE_REQUEST}.new"
    descriptors.write(beside, [json_text.dumps(later).encode()])
    os.replace(beside, f"{request['tree']}/{TREE_REQUEST}")


def whole(path: str) -> str:
    """Return a path as an absolute one."""
    return os.path.abspath(path)


def of_a_library() -> str:
    """Return the role of a process that multiprocessing or billiard has started; or "".

    It is the process's name without its number, or the name of its class, if the application has
    one.
    """
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
    """Return the role of a forked gunicorn worker, such as "gunicorn sync worker"; or ""."""
    if was_forked and "gunicorn.arbiter" in sys.modules:
        kinds = [name for module, name in SERVERS.items() if module in sys.modules]
        return kinds[-1] if kinds else "gunicorn worker"
    return ""


def program(was_forked: bool) -> str:
    """Return the role by the program's name: "NAME", or "child of NAME" for a forked child."""
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
