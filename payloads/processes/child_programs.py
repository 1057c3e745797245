"""The children of a process in a tree, measured from their first line on.

A child that is forked goes on measuring, see `forks`.  A new program is another interpreter, and
has to be told.  So the functions of the standard library that start one are replaced for as long as
the session lasts.  Ours add to the environment *of the new program*, which takes the addition out
again before its first line (startup/).  The application's own environment is not touched.

A process that ends by `os._exit`, as forked workers do, or that becomes another program, runs none
of its `atexit` functions; so it saves here what it has measured.
"""

from __future__ import annotations

import _imp
import os
import sys
from _frozen_importlib import ModuleSpec
from collections.abc import Iterable
from functools import partial
from typing import Any

from ..session_files import PAYLOADS
from .wrapped_builtin import WrappedBuiltin

TREE = "COVATTACH_TREE"  # names the folder of the tree in the environment of a new program
MODULES = ("os", "posix", "_posixsubprocess", "subprocess")  # that have the functions, by any name
LISTED = 5  # which argument of `fork_exec` is the environment: a list of bytes, or None for its own
NONE_IS_OWN = sys.version_info >= (3, 13)  # for `os.posix_spawn` too


class ChildPrograms:
    """The changed functions of a process; `tree` is its tree's folder, `save` saves a snapshot."""

    def __init__(self, tree: str, save: Any) -> None:
        self.tree = tree
        self.save = save
        self.changed: list[tuple[Any, Any]] = []  # the usual one, and what is in its place

    def install(self) -> None:
        """Change the functions, until `uninstall`."""
        import _posixsubprocess

        doing = {
            "_exit": self.exit,
            "execv": self.execv,
            "execve": self.execve,
            "posix_spawn": self.spawn,
            "posix_spawnp": self.spawn,
        }
        known = [(getattr(os, name, None), do) for name, do in doing.items()]
        for usual, do in (*known, (_posixsubprocess.fork_exec, self.fork_exec)):
            if usual is not None:
                self.changed.append((usual, WrappedBuiltin(usual, do)))
        for usual, changed in self.changed:
            exchange(usual, changed)

    def uninstall(self) -> None:
        """Put the functions back, wherever they have come to be; ours are inert from now on."""
        for usual, changed in self.changed:
            exchange(changed, usual)
        self.changed.clear()
        self.tree = ""
        self.save = tuple

    def exit(self, usual: Any, *arguments: Any, **keywords: Any) -> Any:
        """Save, and end the process."""
        self.save()
        return usual(*arguments, **keywords)

    def execv(self, usual: Any, *arguments: Any, **keywords: Any) -> Any:
        """Save, and become a program, which learns of the tree by the environment it inherits."""
        self.save()
        known = inherited()
        added = self.added(known)
        before = {name: known.get(name) for name in added}
        self.inherit(added)
        try:
            return usual(*arguments, **keywords)
        finally:
            self.inherit(before)  # it has failed

    def execve(self, usual: Any, *arguments: Any, **keywords: Any) -> Any:
        """Save, and become a program, which is told by its environment."""
        self.save()
        if "env" in keywords:
            keywords["env"] = self.mapped(keywords["env"])
        return usual(*self.changed_at(2, self.mapped, arguments), **keywords)

    def spawn(self, usual: Any, *arguments: Any, **keywords: Any) -> Any:
        """Start a program, which is told by its environment."""

        def told(given: Any) -> Any:
            return self.mapped(inherited() if given is None and NONE_IS_OWN else given)

        return usual(*self.changed_at(2, told, arguments), **keywords)

    def fork_exec(self, usual: Any, *arguments: Any, **keywords: Any) -> Any:
        """Start a program, which learns of the tree by its environment, given or inherited."""
        if not self.tree or len(arguments) <= LISTED:
            return usual(*arguments, **keywords)
        # From 3.11 on, a flag that allows `vfork` stands behind it.
        place = len(arguments) - (2 if isinstance(arguments[-1], bool) else 1)
        prepare = arguments[place]
        inherits = arguments[LISTED] is None and callable(prepare)
        if callable(prepare):
            prepared = partial(self.prepared, prepare, inherits)
            arguments = (*arguments[:place], prepared, *arguments[place + 1 :])
        if not inherits:
            arguments = self.changed_at(LISTED, self.listed, arguments)
        return usual(*arguments, **keywords)

    def prepared(self, prepare: Any, inherits: bool) -> Any:
        """Call a `preexec_fn`, and save: in the child, just before C code executes the program."""
        try:
            return prepare()
        finally:
            self.save()
            if inherits:
                self.inherit(self.added(inherited()))

    @staticmethod
    def changed_at(place: int, change: Any, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the arguments with one of them changed, if it is there."""
        if len(arguments) <= place:
            return arguments
        return (*arguments[:place], change(arguments[place]), *arguments[place + 1 :])

    def mapped(self, given: Any) -> Any:
        """Return a mapping with the tree added; anything else unchanged, for `usual` to refuse."""
        if not self.tree:
            return given
        try:
            known = dict(zip(map(os.fsdecode, given.keys()), map(os.fsdecode, given.values())))
        except Exception:
            return given
        return {**known, **self.added(known)}

    def listed(self, given: Any) -> Any:
        """Return a list of bytes with the tree in it; None stands for our own environment."""
        try:
            known = inherited() if given is None else split(given)
        except Exception:
            return given
        known.update(self.added(known))
        return [os.fsencode(f"{name}={value}") for name, value in known.items()]

    def added(self, known: Any) -> dict[str, str]:
        """Return the variables to add to a new program's environment; `known` are its others."""
        return additions(self.tree, known) if self.tree else {}

    @staticmethod
    def inherit(values: Any) -> None:
        """Have programs inherit these from now on, or nothing where it is None."""
        for name, value in values.items():
            if value is None:
                os.unsetenv(name)
            else:
                os.putenv(name, value)


def exchange(one: Any, other: Any) -> None:
    """Put `other` in the place of `one`, wherever the standard library has that."""
    for module in filter(None, map(sys.modules.get, MODULES)):
        for name in [name for name, value in list(vars(module).items()) if value is one]:
            setattr(module, name, other)


def inherited() -> dict[str, str]:
    """Return the environment that programs inherit, which `os.environ` need not be.

    `os.putenv` and C libraries change it behind the back of that.  Python reads it when the module
    `posix` is made; one that is made anew, and that nobody else has, knows what it is now.
    """
    try:
        anew = _imp.create_builtin(ModuleSpec("posix", None))
        _imp.exec_builtin(anew)
        found = {os.fsdecode(name): os.fsdecode(value) for name, value in anew.environ.items()}
    except Exception:
        return dict(os.environ)
    return found


def split(items: Iterable[Any]) -> dict[str, str]:
    """Return a list of `NAME=VALUE` bytes as a mapping; raises an error for anything else."""
    return dict(os.fsdecode(item).split("=", 1) for item in items)


def additions(tree: str, environment: Any) -> dict[str, str]:
    """Return the variables by which a new program is measured from its first line on.

    Python imports `sitecustomize` from PYTHONPATH before anything of the program's.
    """
    startup = f"{tree}/{PAYLOADS}/startup"
    before = environment.get("PYTHONPATH")
    path = [startup, before] if before else [startup]
    return {"PYTHONPATH": ":".join(path), TREE: tree}
