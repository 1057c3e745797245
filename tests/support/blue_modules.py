"""Modules with odd top levels, to test which of their lines we claim to have run at import.

Lines that end in `# +` must be claimed; those that stock coverage did not see run must not.
PRELUDE is a program that loads the modules that must not come by an `import`.
"""

SOURCES = {
    "swallowed": """
        from contextlib import suppress
        with suppress(OSError), open("/nonexistent") as file:  # +
            never = file.read()
        with suppress(OSError):  # +
            open("/nonexistent")  # +
            never = 1
        with suppress(TypeError, ValueError) as (a, b):
            never = 2
        class Swallow:  # +
            def __enter__(self):  # +
                return self
            def __exit__(self, *_):  # +
                return True
            def __setattr__(self, name, value):  # +
                raise OSError
        swallow = Swallow()  # +
        with Swallow() as swallow.attribute:
            never = 3
        with suppress(OSError):  # +
            with Swallow():  # +
                raise OSError  # open: code of Swallow's can have set `ran`
                never = 4
            ran = 5
        last = 6  # +
        """,
    "asserted": """
        assert __debug__ or True
        assert True
        assert ("a", "b")
        if __debug__:
            debugging = 1
        else:
            optimized = 1
        if not __debug__:
            optimized = 2
        assert [
            len("a"),
        ]
        while __debug__:
            break
        "a constant"
        'and' 'another'
        """,
    "bound_anew": """
        from typing import TYPE_CHECKING  # +
        TYPE_CHECKING = True  # +
        if not TYPE_CHECKING:  # +
            never = 1
        import sys  # +
        class sys:  # +
            version_info = (2, 7)  # +
            platform = "win32"  # +
            @staticmethod  # +
            def exit():  # +
                return 1
        if sys.version_info >= (3, 0):  # +
            never = 2
        if sys.platform == "linux":  # +
            never = 3
        if TYPE_CHECKING and sys.exit():  # +
            sys.exit()
            ran = 4
        else:
            never = 4
        __name__ = "__main__"  # +
        if __name__ != "__main__":  # +
            never = 5
        def range(number):  # +
            return ()
        for number in range(3):  # +
            never = 6
        else:
            ran = 6  # +
        last = 1  # +
        """,
    "bound_by_star": """
        import sys, os
        from typing import TYPE_CHECKING  # +
        from names import *  # +
        if not TYPE_CHECKING:
            never = 1
        if sys.platform == "linux":
            never = 2
        if 0:
            Star = 1
        elif os:
            pass
        globals()["dynamic"] = 1
        if 0:
            dynamic = 2
        last = 1  # +
        """,
    "names": """
        TYPE_CHECKING = True  # +
        class sys:  # +
            platform = "win32"  # +
        Star = 3  # +
        """,
    "prepared": """
        class Names(dict):  # +
            def __missing__(self, name):  # +
                if name in ("TYPE_CHECKING", "sys", "range"):
                    return Odd()
                raise KeyError(name)
        class Odd:  # +
            platform = "win32"  # +
            def __call__(self, number):  # +
                return ()
        class Meta(type):  # +
            @classmethod  # +
            def __prepare__(meta, name, bases):  # +
                return Names()
        from typing import TYPE_CHECKING  # +
        import sys  # +
        class Prepared(metaclass=Meta):  # +
            if not TYPE_CHECKING:  # +
                never = 1
            if sys.platform == "linux":  # +
                never = 2
            for number in range(3):  # +
                never = 3
        class Derived(Prepared):  # +
            if not TYPE_CHECKING:  # +
                never = 1
            if TYPE_CHECKING and sys:  # +
                ran = 2
        """,
    "raising": """
        def fails(function):  # +
            raise OSError
        try:  # +
            @fails  # +
            def decorated(a=1):
                never = 1
        except OSError:
            decorated = None
        try:  # +
            class Failing(metaclass=fails(1)):  # +
                never = 2
        except OSError as error:
            pass
        try:  # +
            class Partly:  # +
                ran = 3
                raise OSError
                never = 3
        except OSError:
            Partly = None
        try:  # +
            del nothing  # +
            never = 4
        except NameError:
            ran = 4
        else:
            never = 5
        finally:
            ran = 5  # +
        short = None and fails(1)  # +
        lazy = (fails(number) for number in (1, 2))  # +
        both = [
            number  # the second line of one statement
            for number in ()
        ]
        first, *rest = 1, 2, 3  # +
        last = 1  # +
        """,
    "loops": """
        import sys  # +
        for number in (1, 2):  # +
            if number:  # +
                continue
            never = 1
        else:
            ran = 1
        for number in ():  # +
            never = 2
        for number in (*(), *[]):  # +
            never = 3
        for number in range(0):  # +
            never = 4
        for number in (1,):  # +
            try:  # +
                raise OSError  # +
            finally:
                break
            never = 5
        else:
            never = 6
        while True:
            try:
                never_ending = 1
            except OSError:
                raise
            break
        while 0:
            never = 7
        else:
            ran = 7  # +
        for number in (1, 2):  # +
            try:  # +
                ran = 8  # +
                if number:
                    continue
                never = 8
            finally:
                ran = 9
            never = 9
        last = 1  # +
        """,
    "branches": """
        import os  # +
        if os.environ.get("NOWHERE"):  # +
            def function():
                never = 1
            never = 2
        else:
            def function():  # +
                return 1
            ran = 3
        try:  # +
            import nowhere  # +
            never = 4
        except ImportError:
            def fallback():  # +
                return 1
        else:
            never = 5
        if os.name == "nt":  # +
            only_there = 1
        elif os.name == "posix":  # +
            only_here = 2  # +
            __all__ = ["function"]
        last = 1  # +
        print
        os
        """,
    "deleted": """
        temporary = 1
        name = 2  # +
        del temporary  # +
        other = 3
        del other
        """,
    "nothing": """
        "Only a docstring."
        """,
    "typed": """
        from __future__ import annotations  # +
        import typing as t  # +
        a: int
        b: int = 1  # +
        (c): int
        b.d: int
        if t.TYPE_CHECKING:  # +
            import nowhere
        else:
            here = 1  # +
        global here_too
        pass
        ...
        last = 1  # +
        """,
    "half": """
        FIRST = 1  # +
        def function():  # +
            return 1
        function.attribute = 1  # +
        raise OSError
        never = 1
        def later():
            return 2
        """,
    "half_again": """
        FIRST = 1  # +
        for number in (1, 2):  # +
            int("x")
            never = number
        never_either = 1
        """,
    "half_at_the_end": """
        FIRST = 1  # +
        def function():  # +
            return 1
        int("x")  # +
        print("never")
        function()
        """,
    "half_and_patched": """
        FIRST = 1  # +
        int("x")  # +
        SECOND = 2
        LAST = 3
        """,
    "kept": """
        import keeper  # +
        FIRST = 1  # +
        int("x")  # +
        print("never")
        """,
    "keeper": """
        import sys  # +
        saved = dict(sys.modules)  # +
        """,
    "unborn": """
        FIRST = 1
        def function():
            return 1
        """,
    "lazy": """
        FIRST = 1
        """,
    "lazy_half": """
        FIRST = 1
        int("x")
        LAST = 1
        """,
    "victim": """
        FIRST = 1
        def function():
            return 1
        """,
    "bound_elsewhere": """
        import os  # +
        FIRST = 1  # +
        if os.environ.get("NEVER"):  # +
            print("never")
            EARLY = 1
        try:  # +
            print("ran")  # +
            OWN = 1  # +
        except OSError:
            pass
        LAST = 1  # +
        if os.environ.get("NEVER"):  # +
            print("never")
            LATE = 1
        """,
    "folded": """
        if not __debug__:
            never = 1
        if __debug__ and True:
            pass
        while not __debug__:
            break
        if 60 * 60:
            pass
        60 * 60
        "a" % ()
        last = 1  # +
        """,
    "liar": """
        FIRST = 1
        __file__ = __file__.replace("liar", "victim")
        """,
    "exec_ed": """
        FIRST = 1  # +
        LAST = 2
        print
        """,
}
PRELUDE = """
import importlib.util, os, sys, types
from importlib.machinery import SourceFileLoader

def made(name):
    path = os.path.join(here, name + ".py")
    module = importlib.util.module_from_spec(importlib.util.spec_from_file_location(name, path))
    sys.modules[name] = module
    return module

def tried(action, *arguments):
    try:
        return action(*arguments)
    except Exception:
        return None

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, here)
for name in ("half", "half_again", "half_at_the_end", "half_and_patched"):
    module = made(name)
    tried(module.__spec__.loader.exec_module, module)
sys.modules["half_and_patched"].LAST = 1
tried(__import__, "kept")
sys.modules.update({name: module for name, module in sys.modules["keeper"].saved.items()})
made("unborn").FIRST = 1
for name in ("lazy", "lazy_half"):
    spec = importlib.util.find_spec(name)
    spec.loader = importlib.util.LazyLoader(spec.loader)
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])
tried(getattr, sys.modules["lazy_half"], "FIRST")
import bound_elsewhere
bound_elsewhere.EARLY = bound_elsewhere.LATE = 1
module = types.ModuleType("alias")
module.__file__ = os.path.join(here, "victim.py")
exec("FIRST = 1\\ndef function(): return 2", vars(module))
sys.modules["alias"] = module
module = types.ModuleType("exec_ed")
module.__file__ = os.path.join(here, "exec_ed.py")
exec(compile(open(module.__file__).read(), module.__file__, "exec"), vars(module))
sys.modules["exec_ed"] = module
"""
