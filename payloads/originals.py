"""Builtins and C modules for our own code, without the application's replacements.

Tools that simulate dates replace the clocks, test tools `open` and `os`, gevent sockets and
threads, sandboxes `__import__`; and some remove functions.  So our modules, and those of coverage
that we bring in, have builtins of their own.  Their `import` gives private modules, with nothing in
them but C functions of the interpreter.  Where one was replaced, the original is taken from a
second instance of the C module, to which only we refer (PEP 489).

This is executed before everything else, in the namespace that unpatched.py has been executed in.
Nothing is imported here, not even `__future__`.
"""

TYPE_CHECKING = False  # as in `typing`, which is not imported: not in the application's time
if TYPE_CHECKING:
    from typing import Any

    from .unpatched import FUNCTION, is_of_python, is_original, is_trusted, protect_clocks

# C modules of which a second instance does no harm: subinterpreters make them too.  A second
# `_signal` would forget the application's handlers; others keep their state in the process.
ANEW = {"posix", "time"}
ANEW_LATER = {"select", "_thread"}  # since 3.10; before, there is only one of each in a process
PRIVATE = ("posix", "time", "select", "_thread", "_signal", "_socket")
REPLACING = "_covattach.processes.child_programs"  # it gets the real `os`, to change its functions
EXECUTED = ("posixpath", "genericpath", "sysconfig")  # modules in Python, of which we get a copy


class FUTURE:
    """The module `__future__`, which the import system would look for in files."""

    annotations = None


class Originals:
    """Makes the private modules on their first import, and holds the builtins of our code.

    `space` is the namespace of importlib._bootstrap_external; `key` is the code of this module.
    """

    def __init__(self, space: "dict[str, Any]", key: bytes) -> None:
        self.key = key
        self.sys = space["sys"]
        self.imp = space["_imp"]
        self.io = space["_io"]
        self.specification = space["_bootstrap"].ModuleSpec
        self.find = space["_bootstrap"]._find_spec
        self.module = type(space["sys"])
        self.modules: dict[str, Any] = {}
        self.anew: dict[str, Any] = {}
        self.usual = space["__builtins__"].get("__import__")
        if not is_original(self.usual, "__import__", "builtins"):
            self.usual = space["_bootstrap"].__import__
        self.builtins = {**space["__builtins__"], "__import__": self.importing}
        # From 3.15 on an application may make all imports lazy; ours would then happen in its
        # threads, when a name is used.
        self.builtins["__lazy_import__"] = self.importing
        self.builtins["open"] = self.opening(space["__builtins__"].get("open"))
        if not is_original(self.builtins.get("exec"), "exec", "builtins"):
            self.builtins["exec"] = self.run

    def __call__(self, error: UnicodeError) -> "Any":
        """Raise `error`: to the codec registry, this is an error handler."""
        raise error

    def opening(self, usual: "Any") -> "Any":
        """Return the interpreter's own `open`: `usual`, or that of `_io`, or else `self.open`."""
        for one in (usual, vars(self.io).get("open")):
            if is_original(one, "open", "io") or is_original(one, "open", "_io"):
                return one
        return self.open

    def open(
        self,
        file: "Any",
        mode: str = "r",
        buffering: int = -1,
        encoding: "Any" = None,
        errors: "Any" = None,
        newline: "Any" = None,
        closefd: bool = True,
    ) -> "Any":
        """Open a file as the builtin `open` does, for reading or for writing, but not for both."""
        raw = self.io.FileIO(file, mode.replace("b", "").replace("t", ""), closefd)
        if not buffering:
            return raw
        kind = "BufferedReader" if "r" in mode else "BufferedWriter"
        buffered = getattr(self.io, kind)(raw)
        return buffered if "b" in mode else self.io.TextIOWrapper(buffered, encoding, errors)

    def importing(
        self,
        name: str,
        space: "Any" = None,
        local: "Any" = None,
        fromlist: "Any" = (),
        level: int = 0,
    ) -> "Any":
        """Import a module, as `__import__` does; a private one if there is one of that name."""
        if level == 0:
            if name == "os" and (space or {}).get("__name__") == REPLACING:
                return self.application_module("os")
            if name in PRIVATE:
                return self.private(name)
            if name == "__future__":
                return FUTURE
            if (name in EXECUTED and name not in self.shared()) or (name == "os.path" and fromlist):
                return self.executed("posixpath" if name == "os.path" else name)
            if name in ("os", "os.path"):
                return self.own_os()
        return self.usual(name, space, local, fromlist, level)

    def private(self, name: str) -> "Any":
        """Return our private version of the C module `name`, without anything that was replaced."""
        found = self.modules.get(name)
        if found is None:
            real = vars(self.application_module(name))
            found = self.module(name)
            space = vars(found)
            space.update({n: v for n, v in real.items() if is_trusted(v, n, name)})
            space["__getattr__"] = lambda missing: space.setdefault(
                missing, self.missing(name, missing)
            )
            if name == "time":
                protect_clocks(found, self.private("posix"))
            self.modules[name] = found
        return found

    def application_module(self, name: str) -> "Any":
        """Return the application's module `name`; an empty one if it is missing or is no module."""
        found = self.sys.modules.get(name)
        if type(found) is not self.module and name != "posix":
            try:
                found = self.usual(name)
            except ImportError:
                found = None
        return found if type(found) is self.module else self.module(name)

    def missing(self, module: str, name: str) -> "Any":
        """Return the original of `module.name`, for a private module that lacks this attribute.

        It is from a second instance, or as gevent has kept it.  Raises AttributeError.
        """
        if name.startswith("__"):
            raise AttributeError(name)
        if module in ANEW or (module in ANEW_LATER and self.sys.version_info >= (3, 10)):
            return getattr(self.made_anew(module), name)
        return self.find_original(module, name)

    def made_anew(self, name: str) -> "Any":
        """Return a second instance of the C module `name`, which is not in `sys.modules`."""
        if name not in self.anew:
            if name in self.sys.builtin_module_names:
                found = self.imp.create_builtin(self.specification(name, None))
                self.imp.exec_builtin(found)
            else:
                file = self.application_module(name).__file__
                found = self.imp.create_dynamic(self.specification(name, None, origin=file))
                self.imp.exec_dynamic(found)
            self.anew[name] = found
        return self.anew[name]

    def find_original(self, module: str, name: str) -> "Any":
        """Return the original of `module.name`, as gevent, eventlet or the heap have kept it.

        Code that replaces a function mostly keeps it, to call it.  If nobody has, the present one
        is returned.
        """
        gevent = self.sys.modules.get("gevent.monkey")
        if gevent is not None:
            return gevent.get_original(module, name)
        eventlet = self.sys.modules.get("eventlet.patcher")
        if eventlet is not None:
            return getattr(eventlet.original(module), name)
        for one in self.usual("gc").get_objects():
            if is_original(one, name, module):
                return one
        for kind in object.__subclasses__():
            if kind.__name__ == name and is_trusted(kind, name, module):
                return kind
        return getattr(self.application_module(module), name)

    def own_os(self) -> "Any":
        """Return our private `os`, whose C functions and `os.path` are the interpreter's own."""
        found = self.modules.get("os")
        if found is None:
            posix = self.private("posix")
            real = vars(self.application_module("os"))
            found = self.module("os")
            space = vars(found)
            space.update({n: v for n, v in real.items() if is_of_python(v, n, real)})

            def missing(name: str) -> "Any":
                if name == "path":
                    return space.setdefault(name, self.executed("posixpath"))
                return getattr(posix, name)

            space["__getattr__"] = missing
            self.modules["os"] = found
        return found

    def shared(self) -> "Any":
        """Return those names out of EXECUTED that are imported already and need no private copy."""
        return self.sys.modules.keys() & {"sysconfig"}  # a copy takes 10 ms

    def executed(self, name: str) -> "Any":
        """Return a private copy of the Python module `name`, which imports our private modules."""
        found = self.modules.get(name)
        if found is None:
            code = self.code_of(name)
            if code is None:
                return self.usual(name)
            found = self.module(name)
            self.run(code, vars(found))
            self.modules[name] = found
        return found

    def run(self, code: "Any", space: "dict[str, Any]") -> None:
        """Execute `code` like `exec`; the namespace `space` gets our builtins if it has none."""
        space.setdefault("__builtins__", self.builtins)
        FUNCTION(code, space)()

    def code_of(self, name: str) -> "Any":
        """Return the code object of the standard library's module `name`; None if it has none."""
        try:
            return self.imp.get_frozen_object(name)
        except ImportError:
            pass  # it is frozen only from 3.11 on
        try:
            return self.find(name, None).loader.get_code(name)
        except (AttributeError, ImportError, OSError):
            return None
