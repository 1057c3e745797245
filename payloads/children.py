"""The children of a process in a tree, and what is done to measure them from their first line on.

A child that is forked goes on measuring, see `forks`.  A new program is another interpreter, and
has to be told.  So the functions of the standard library that start one are replaced, for as long
as the session lasts, by some that add to the environment *of the new program*, which takes it out
again before its first line (startup/).  The application's own is not touched.

A process that ends by `os._exit`, as forked workers do, or that becomes another program, runs none
of its `atexit` functions; so it saves here what it has measured.
"""

from __future__ import annotations

import os
import sys
from typing import Any

TREE = "COVATTACH_TREE"  # names the folder of the tree in the environment of a new program
ENDING = ("_exit", "execve")
# Which functions start a program, and which of their arguments is the environment: a mapping or,
# for those of `_posixsubprocess`, a list of bytes; None where it is the application's own.
LISTED = 5
STARTING = (
    ("os", "execve", 2),
    ("os", "posix_spawn", 2),
    ("os", "posix_spawnp", 2),
    ("_posixsubprocess", "fork_exec", LISTED),
    ("subprocess", "_fork_exec", LISTED),  # the same, by the name under which it was imported
)


class Children:
    """The changed functions of a process; `tree` is its tree's folder, `save` saves a snapshot."""

    def __init__(self, tree: str, save: Any) -> None:
        self.tree = tree
        self.save = save
        self.changed: list[tuple[Any, str, Any, Any]] = []

    def follow(self) -> None:
        """Change the functions, until `let_go`."""
        import _posixsubprocess  # noqa: F401  before `subprocess` takes its function from it

        for module, name, place in STARTING:
            if module in sys.modules:
                self.change(sys.modules[module], name, self.telling, place)
        self.change(os, "execv", self.execv)
        for name in ENDING:
            self.change(os, name, self.saving)

    def change(self, module: Any, name: str, wrap: Any, *how: Any) -> None:
        """Put `wrap` of a function, if there is one of that name, in its place."""
        usual = getattr(module, name, None)
        if usual is not None:
            changed = wrap(usual, *how)
            for attribute in ("__name__", "__qualname__", "__doc__", "__module__"):
                setattr(changed, attribute, getattr(usual, attribute, None))
            setattr(module, name, changed)
            self.changed.append((module, name, usual, changed))

    def let_go(self) -> None:
        """Put the functions back, unless somebody has changed them again; ours are inert then."""
        for module, name, usual, changed in reversed(self.changed):
            if getattr(module, name, None) is changed:
                setattr(module, name, usual)
        # `subprocess` may have been imported, and taken the function, since.
        late = sys.modules.get("subprocess")
        for _, name, usual, changed in self.changed:
            if name == "fork_exec" and getattr(late, "_fork_exec", None) is changed:
                late._fork_exec = usual  # type: ignore[union-attr]
        self.changed.clear()
        self.tree = ""
        self.save = tuple

    def telling(self, usual: Any, place: int) -> Any:
        """Return a function that starts a program and tells it of the tree."""

        def start(*arguments: Any, **keywords: Any) -> Any:
            return usual(*self.told(arguments, place), **keywords)

        return start

    def told(self, arguments: tuple[Any, ...], place: int) -> tuple[Any, ...]:
        """Return the arguments with the tree in their environment, or as they are."""
        if not self.tree or len(arguments) <= place:
            return arguments
        given = arguments[place]
        try:
            known = known_from(given)
            added: Any = {**known, **additions(self.tree, known)}
        except (TypeError, ValueError, LookupError):
            return arguments  # not an environment: the function will say so
        if place == LISTED:
            added = [os.fsencode(f"{name}={value}") for name, value in added.items()]
            # The only function among them is `preexec_fn`, which runs in the child; C code ends it.
            arguments = tuple(self.saved(one) if callable(one) else one for one in arguments)
        return (*arguments[:place], added, *arguments[place + 1 :])

    def saved(self, function: Any) -> Any:
        """Return a function that does the same, and then saves."""

        def do(*arguments: Any) -> Any:
            try:
                return function(*arguments)
            finally:
                self.save()

        return do

    def execv(self, usual: Any) -> Any:
        """Return an `execv` that tells the program of the tree."""

        def execv(path: Any, arguments: Any, /) -> Any:
            if not self.tree:
                return usual(path, arguments)
            return os.execve(path, arguments, os.environ)  # noqa: S606  as the application wants

        return execv

    def saving(self, usual: Any) -> Any:
        """Return a function that saves, and then does what is the last of this process."""

        def leave(*arguments: Any, **keywords: Any) -> Any:
            self.save()
            return usual(*arguments, **keywords)

        return leave


def known_from(given: Any) -> dict[str, str]:
    """Return an environment that was given as a mapping or a list; None stands for our own."""
    if given is None:
        return dict(os.environ)
    if isinstance(given, list):
        items = [os.fsdecode(item).partition("=") for item in given]
        return {name: value for name, _, value in items}
    return {os.fsdecode(name): os.fsdecode(given[name]) for name in given}


def additions(tree: str, environment: dict[str, str]) -> dict[str, str]:
    """Return what a new program's environment must have to be measured from its first line on.

    Python imports `sitecustomize` from PYTHONPATH before anything of the program's.
    """
    startup = f"{tree}/payloads/startup"
    before = environment.get("PYTHONPATH")
    path = [startup, before] if before else [startup]
    return {"PYTHONPATH": ":".join(path), TREE: tree}
