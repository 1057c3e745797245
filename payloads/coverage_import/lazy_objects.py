"""Lazy objects for modules that coverage imports, and for their members, until they are used."""

from __future__ import annotations

import builtins
import os
import sys
from functools import lru_cache, partial
from importlib.machinery import all_suffixes
from typing import Any


class LazyObject:
    """A stand-in for a module, or a member of one, that is imported or made only when it is used.

    It can be called, asked for attributes and given to `isinstance`: all that coverage does with
    the names that it imports.  `find` returns the real object; `known` are values of its
    attributes, by name, for which it is not needed.
    """

    __parameters__ = ()  # so that `type[...]` of it, in 3.9, does not ask what it stands for

    def __init__(self, find: Any, known: Any = ()) -> None:
        self.__dict__.update(known, _find=find)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._find(), name)

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Call the real object."""
        return self._find()(*arguments, **keywords)

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, self._find())

    def __mro_entries__(self, bases: Any) -> Any:
        """Return the real class as the base of a class that the application makes (PEP 560)."""
        return (self._find(),)

    def __or__(self, other: Any) -> Any:
        return other  # in the alias of a type, which nobody uses


def imported(name: str) -> Any:
    """Return the module `name`, as our `import` gives it: a private one if originals.py has it."""
    return __import__(name, globals(), None, ("__name__",))


def real_object(one: LazyObject) -> Any:
    """Return the real object that the lazy object `one` stands for."""
    return one._find()


def module(name: str) -> LazyObject:
    """Return a lazy object for the module `name`."""
    return LazyObject(partial(imported, name), KNOWN.get(name, ()))


def member(module_name: str, name: str) -> Any:
    """Return a lazy object for `name` in a module, or the real object if it is in KNOWN."""

    def find() -> Any:
        return getattr(imported(module_name), name)

    return KNOWN.get(module_name, {}).get(name) or LazyObject(find)


def make_class(body: Any, name: str, *bases: Any, **keywords: Any) -> Any:
    """Make a class, as `__build_class__` does; lazily if one of its bases is a lazy object."""
    make = builtins.__build_class__
    if not any(isinstance(base, LazyObject) for base in bases):
        return make(body, name, *bases, **keywords)

    def find() -> Any:
        real = [real_object(base) if isinstance(base, LazyObject) else base for base in bases]
        return make(body, name, *real, **keywords)

    return LazyObject(lru_cache(None)(find))


def pattern(*arguments: Any, **keywords: Any) -> LazyObject:
    """Return a lazy object for a regular expression, compiled when it is used; see `re.compile`."""
    compiled = imported("re").compile
    return LazyObject(lru_cache(None)(partial(compiled, *arguments, **keywords)))


def module_name(path: str) -> str | None:
    """Return the name of the module in a file, as `inspect.getmodulename` does."""
    name = os.path.basename(path)
    for suffix in sorted(all_suffixes(), key=len, reverse=True):
        if name.endswith(suffix):
            return name[: -len(suffix)]
    return None


def dataclass(kind: Any = None, **options: Any) -> Any:
    """Do the work of `dataclasses.dataclass` in simple cases, without importing that.

    The class gets `__init__`, `__eq__` and `__repr__`; coverage measures with no class that needs
    more.  For options or fields the real one is imported, which takes `inspect` along.
    """
    fields = {**vars(kind)} if kind is not None else {}
    if options or kind is None or any(type(one).__name__ == "Field" for one in fields.values()):
        real = imported("dataclasses").dataclass
        return real(**options) if kind is None else real(kind, **options)
    names = tuple(kind.__annotations__)
    usual = {name: fields[name] for name in names if name in fields}

    def fill(self: Any, *values: Any, **named: Any) -> None:
        vars(self).update(usual, **dict(zip(names, values)), **named)

    def is_same(self: Any, other: Any) -> Any:
        return vars(self) == vars(other) if type(other) is type(self) else NotImplemented

    def shown(self: Any) -> str:
        return f"{kind.__qualname__}({', '.join(f'{n}={getattr(self, n)!r}' for n in names)})"

    kind.__init__, kind.__eq__, kind.__hash__, kind.__repr__ = fill, is_same, None, shown
    return kind


LIBRARY = os.path.dirname(os.__file__)


@lru_cache(None)
def paths_of(*scheme: str) -> Any:
    """Return `sysconfig.get_paths`, cached: coverage asks three times for each of 10 schemes."""
    return imported("sysconfig").get_paths(*scheme)


# By module: members that are used at once, or in the application's threads, and need no import.
KNOWN: dict[str, dict[str, Any]] = {
    "configparser": {"ConfigParser": LazyObject(lambda: imported("configparser").ConfigParser)},
    "dataclasses": {"dataclass": dataclass},
    "inspect": {
        "__file__": LIBRARY + "/inspect.py",  # from these coverage learns where the library is
        "CO_OPTIMIZED": 1,  # Include/cpython/code.h
        "currentframe": lambda: sys._getframe(1),
        "getmodulename": module_name,
    },
    # Of `Path` coverage only asks whether an object is one.
    "pathlib": {"Path": LazyObject(lambda: imported("pathlib").Path)},
    "platform": {
        "__file__": LIBRARY + "/platform.py",
        "python_implementation": lambda: "CPython",
        "python_version": lambda: sys.version.split()[0],
    },
    "re": {"compile": pattern},
    "sysconfig": {"get_paths": paths_of},
    # It is a ValueError, and stands in `except`, where only a class can.
    "tomllib": {"TOMLDecodeError": ValueError},
    "traceback": {"__file__": LIBRARY + "/traceback.py"},
}
