"""Replaces functions that start programs, so that new ones are measured from their first line.

A child that is forked goes on measuring, see `fork_hooks`.  A new program is another interpreter,
and has to be told.  So the functions of the standard library that start one are replaced for as
long as the session lasts.  Ours add to the environment *of the new program*, which takes the
addition out again before its first line (startup/).  The application's own is not touched.

A process that ends by `os._exit`, as forked workers do, or that becomes another program, does not
call its `atexit` functions.  So it saves here the lines measured until then.
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
MODULES = ("os", "posix", "_posixsubprocess", "subprocess")  # that may have the functions
LISTED = 5  # index of the environment in `fork_exec`'s arguments: a list of bytes, or None for ours
NONE_IS_OWN = sys.version_info >= (3, 13)  # whether None is our environment in `posix_spawn` too


class ChildPrograms:
    """Replaced functions of this process; `tree` is its tree's folder, `save` saves a snapshot."""

    def __init__(self, tree: str, save: Any) -> None:
        self.tree = tree
        self.save = save
        self.changed: list[tuple[Any, Any]] = []  # each original, and its replacement

    def install(self) -> None:
        """Replace the functions, until `uninstall`."""
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
        """Restore the functions in MODULES; replacements held elsewhere only call the original."""
        for usual, changed in self.changed:
            exchange(changed, usual)
        self.changed.clear()
        self.tree = ""
        self.save = tuple

    def exit(self, usual: Any, *arguments: Any, **keywords: Any) -> Any:
        """Save a snapshot, and call `usual`, the original `os._exit`."""
        self.save()
        return usual(*arguments, **keywords)

    def execv(self, usual: Any, *arguments: Any, **keywords: Any) -> Any:
        """Save a snapshot, and call `usual`, the original `os.execv`.

        The program inherits the C environment, to which the tree is added.
        """
        self.save()
        known = inherited()
        added = self.added(known)
        before = {name: known.get(name) for name in added}
        self.inherit(added)
        try:
            return usual(*arguments, **keywords)
        finally:
            self.inherit(before)  # `execv` has failed, or it would not return

    def execve(self, usual: Any, *arguments: Any, **keywords: Any) -> Any:
        """Save a snapshot, and call `usual`, the original `os.execve`, with the tree in `env`."""
        self.save()
        if "env" in keywords:
            keywords["env"] = self.mapped(keywords["env"])
        return usual(*self.changed_at(2, self.mapped, arguments), **keywords)

    def spawn(self, usual: Any, *arguments: Any, **keywords: Any) -> Any:
        """Call `usual`, the original `posix_spawn` or `posix_spawnp`, with the tree in `env`."""

        def told(given: Any) -> Any:
            return self.mapped(inherited() if given is None and NONE_IS_OWN else given)

        return usual(*self.changed_at(2, told, arguments), **keywords)

    def fork_exec(self, usual: Any, *arguments: Any, **keywords: Any) -> Any:
        """Call `usual`, the original `fork_exec`, with the tree in the program's environment.

        That is an argument, or inherited.  A `preexec_fn` is followed by a save in the child.
        """
        if not self.tree or len(arguments) <= LISTED:
            return usual(*arguments, **keywords)
        # `preexec_fn` is the last argument; from 3.11 on a flag that allows `vfork` follows.
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
        """Call `prepare`, a `preexec_fn`, and save a snapshot; in the child, just before exec.

        If it `inherits` its environment, the tree is added to that.
        """
        try:
            return prepare()
        finally:
            self.save()
            if inherits:
                self.inherit(self.added(inherited()))

    @staticmethod
    def changed_at(place: int, change: Any, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return `arguments` with the one at index `place`, if there, passed through `change`."""
        if len(arguments) <= place:
            return arguments
        return (*arguments[:place], change(arguments[place]), *arguments[place + 1 :])

    def mapped(self, given: Any) -> Any:
        """Return the environment `given`, a mapping, with the tree added.

        Anything else is returned unchanged, so that the original function refuses it.
        """
        if not self.tree:
            return given
        try:
            known = dict(zip(map(os.fsdecode, given.keys()), map(os.fsdecode, given.values())))
        except Exception:
            return given
        return {**known, **self.added(known)}

    def listed(self, given: Any) -> Any:
        """Return the environment `given`, a list of `NAME=VALUE` bytes, with the tree added.

        None stands for our own environment.
        """
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
        """Set variables of the C environment, which new programs inherit; None removes one."""
        for name, value in values.items():
            if value is None:
                os.unsetenv(name)
            else:
                os.putenv(name, value)


def exchange(one: Any, other: Any) -> None:
    """Replace the function `one` by `other`, under each name that it has in MODULES."""
    for module in filter(None, map(sys.modules.get, MODULES)):
        for name in [name for name, value in list(vars(module).items()) if value is one]:
            setattr(module, name, other)


def inherited() -> dict[str, str]:
    """Return the C environment, inherited by new programs; `os.environ` may be different.

    `os.putenv` and C libraries change it without `os.environ`.  Python reads it when the module
    `posix` is made; a second instance of that, which nobody else has, knows the present values.
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
