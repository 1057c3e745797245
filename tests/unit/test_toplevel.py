"""Lines that must have run when a module was loaded: none that the source leaves open."""

from __future__ import annotations

import ast
import sys
import sysconfig
import textwrap

import pytest
from coverage.parser import PythonParser
from support import blue

from covattach.reports.import_time import blocks, name_bindings, toplevel
from covattach.snapshot.imported_modules import ImportedModule

DONE = ImportedModule(False, None, False, (3, 11), 0)
MAIN = ImportedModule(True, 0, False, (3, 11), 0)
# Modules of the standard library, of all kinds: with conditions, with `try`, with big classes.
MODULES = """
abc argparse ast asyncio.base_events asyncio.unix_events base64 bdb bisect calendar cgi code
codecs collections configparser contextlib copy csv ctypes dataclasses datetime decimal difflib
dis doctest email.message enum fileinput fractions ftplib functools getopt getpass gettext glob
gzip hashlib heapq hmac html.parser http.client http.server imaplib inspect io ipaddress
json.decoder locale logging lzma mailbox mimetypes multiprocessing.connection
multiprocessing.managers numbers opcode optparse os pathlib pdb pickle pkgutil platform plistlib
poplib posixpath pprint profile queue random re reprlib runpy sched selectors shelve shlex
shutil signal smtplib socket socketserver ssl stat statistics string subprocess symtable
sysconfig tarfile tempfile textwrap threading timeit token tokenize trace traceback types typing
unittest.case unittest.mock urllib.parse urllib.request uuid warnings wave weakref webbrowser
xml.dom.minidom xml.etree.ElementTree xmlrpc.client zipfile zoneinfo
""".split()  # noqa: SIM905  as a list it is three times as long

# Of each line: `+` it must have run; `-` it cannot have; `?` it may have.  A function's body and
# what is no statement have no mark.
COMPLETE = [
    """
    import os                       # +
    x = [                           # +
        1,
    ]
    @decorate                       # +
    def function(a=x):              # +
        return a
    class Thing(Base):              # +
        attribute = 1               # +
        def method(self):           # +
            return 1
        class Inner:                # +
            pass                    # +
    """,
    """
    if condition:                   # +
        a = 1                       # ?
    elif other:                     # ?
        a = 2                       # ?
    else:
        a = 3                       # ?
    b = 1                           # +
    """,
    """
    from typing import TYPE_CHECKING  # +
    if TYPE_CHECKING:               # +
        import typed                # -
    else:
        import untyped              # +
    if not TYPE_CHECKING and x:     # +
        import perhaps              # ?
    """,
    """
    if __name__ == "__main__":      # +
        main()                      # -
    if "__main__" != __name__:      # +
        as_module()                 # +
    """,
    """
    import sys                      # +
    if sys.version_info >= (3, 12):  # +
        new()                       # -
    elif sys.version_info[:2] == (3, 11):  # +
        this()                      # +
    if (3, 11) <= sys.version_info:  # +
        ours()                      # +
    if sys.version_info[0] == 2 or sys.platform.startswith("win"):  # +
        old()                       # -
    if sys.version_info >= (3, 11, 5):  # +
        which()                     # ?
    """,
    """
    try:                            # +
        import fast                 # +
        speed = 2                   # ?
    except ImportError:             # ?
        fast = None                 # ?
    else:
        speed = 1                   # ?
    finally:
        done = True                 # +
    after = 1                       # +
    """,
    """
    try:                            # +
        import needed               # +
        import too                  # +
    except ImportError as error:    # -
        raise SystemExit from error  # -
    else:
        both = True                 # +
    if not needed:                  # +
        raise ImportError           # -
    else:
        fine = True                 # +
    """,
    """
    with swallowing():              # +
        first()                     # +
        second()                    # ?
    after = 1                       # +
    """,
    """
    for name in names:              # +
        use(name)                   # ?
    for name in ("a", "b"):         # +
        use(name)                   # +
        if name:                    # +
            use()                   # ?
    for number in range(3):         # +
        if number:                  # +
            break                   # ?
        use(number)                 # ?
    else:
        none()                      # ?
    while waiting():                # +
        wait()                      # ?
    else:
        waited()                    # +
    """,
    """
    match value:                    # +
        case 1:                     # +
            one()                   # ?
        case _:                     # ?
            other()                 # ?
    """,
    """
    def earlier(): return 1         # +
    if earlier():                   # +
        sys.exit()                  # ?
        later()                     # ?
    """,
    """
    with first(), second():         # +
        perhaps()                   # ?
    with first() as (a, b):         # +
        perhaps()                   # ?
    with first() as one:            # +
        surely()                    # +
    """,
]


def marks(code: str) -> dict[str, set[int]]:
    """Return the lines with each mark."""
    found: dict[str, set[int]] = {"+": set(), "-": set(), "?": set()}
    for number, line in enumerate(code.splitlines(), 1):
        mark = line.rpartition("# ")[2]
        if mark in found:
            found[mark].add(number)
    return found


def bound(code: str, load: ImportedModule) -> ImportedModule:
    """Return a load after which the names are there that the source surely binds.

    So are those of branches that are marked as those that were taken.
    """
    tree = ast.parse(code)
    found = name_bindings.Scope(tree)
    branches = [one for one in tree.body if isinstance(one, ast.If)]
    inside = [one for branch in branches for block in blocks.blocks(branch) for one in block]
    surely = [one for one in inside if one.lineno in marks(code)["+"]]
    known = sorted([*tree.body, *surely], key=lambda one: one.lineno)
    return load._replace(names=" ".join(name for one in known for name in found.certain(one)))


def judged(
    code: str, *loads: ImportedModule, ran: frozenset[int] = frozenset()
) -> dict[str, set[int]]:
    """Return the statements of the top level by mark."""
    parser = PythonParser(text=code)
    parser.parse_source()
    tree = ast.parse(code)
    top = parser.statements - blocks.function_lines(tree) - ran
    found = toplevel.judge(tree, loads, set(ran))
    if found is None:
        return {"+": set(), "-": top, "?": set()}
    claimed = parser.first_lines(found.ran) & top
    passed = (parser.first_lines(found.passed_over) & top) - claimed
    return {"+": claimed, "-": passed, "?": top - claimed - passed}


@pytest.mark.parametrize("code", COMPLETE)
def test_a_module_that_is_through(code: str) -> None:
    """Each line of a module that was loaded to its end is judged as its mark says."""
    # GIVEN a source / WHEN it is judged / THEN the marks are those in the source
    code = textwrap.dedent(code).lstrip() + "last = 1  # +\n"
    assert judged(code, bound(code, DONE)) == marks(code)
    # AND if its last name is missing, it may have come to no end
    without = bound(code, DONE)._replace(names="")
    assert judged(code, without)["+"] <= marks(code)["+"] - {code.count("\n")}


def test_the_main_program_is_known() -> None:
    """The body of `if __name__ == "__main__"` ran in the main program, and in no other module."""
    # GIVEN a program / WHEN it ran as the main one, as a module, as both
    code = 'if __name__ == "__main__":\n    main()\n'
    # THEN its body ran, did not run, ran in one of them
    assert judged(code, MAIN)["+"] == {1, 2}
    assert judged(code, DONE)["-"] == {2}
    assert judged(code, MAIN, DONE)["+"] == {1, 2}


STANDING = """\
import os
def main():
    pass
if os.name:
    first()
    while turning():
        turn()
        wait(1,
             2)
        again()
    later()
else:
    other()
end()
"""


def test_a_module_that_stands_somewhere() -> None:
    """Lines before the reached one have run; those after it have not, but for the same loop."""
    # GIVEN a main program that is in a loop, in the second line of a statement
    load = ImportedModule(True, 9, True, (3, 11))
    # WHEN it is judged
    found = judged(STANDING, load)
    # THEN it is as marked: ran, open or never
    assert found == {"+": {1, 2, 4, 5, 6, 7, 8}, "?": {10}, "-": {11, 13, 14}}


def test_a_module_that_has_just_begun() -> None:
    """Of a module that has begun, and nobody knows how far it got, the first line ran."""
    found = judged("a = 1\nb = 2\n", ImportedModule(False, 0, False, (3, 11)))
    assert found == {"+": {1}, "?": {2}, "-": set()}


def test_a_main_program_that_has_ended() -> None:
    """Lines behind the last function of an ended program are left open: it may have raised."""
    # GIVEN a program whose frame is gone, and a function of line 2 in its namespace
    code = "a = 1\ndef work():\n    pass\nstart()\nmore()\n"
    found = judged(code, ImportedModule(True, 2, False, (3, 11), 0))
    # THEN the line that follows at once was begun, and the rest may have been
    assert found == {"+": {1, 2, 4}, "?": {5}, "-": set()}


def test_names_that_prove_nothing() -> None:
    """A name behind a missing one, or of a submodule, or bound elsewhere too, proves nothing."""
    begun = ImportedModule(False, 0, False, (3, 11), 0)
    code = "a = 1\nb = 2\nc = 3\nd = 4\n"
    assert judged(code, begun._replace(names="a b"))["+"] == {1, 2, 3}
    assert judged(code, begun._replace(names="a c d"))["+"] == {1, 2}
    assert judged(code + "def f():\n  global d\n  d = 1\n", begun._replace(names="d"))["+"] == {1}
    assert judged(code + "from x import *\n", begun._replace(names="a b"))["+"] == {1}
    assert judged("a = 1\nfrom . import b\nc = 2\n", begun._replace(names="a .b"))["+"] == {1, 2}
    assert judged("from x import *\ndef f():\n  pass\nb = 1\n", begun._replace(lines="2"))["+"] == {
        1,
        2,
        4,
    }


BRANCHES = """\
try:
    import fast
    def run():
        return 1
except ImportError:
    import slow
    def run():
        return 2
if slow:
    class Late:
        x = 1
        def method(self):
            return 3
"""


def test_a_function_that_runs_tells_its_branch() -> None:
    """Where a function's body runs, the branch that defines it was taken, with or without loads."""
    # GIVEN functions in branches, of which two run
    ran = frozenset({8, 13})
    # WHEN the module is through / THEN all of the branch ran
    found = judged(BRANCHES, DONE, ran=ran)
    assert found["+"] == {1, 2, 5, 6, 7, 9, 10, 11, 12}
    assert found["?"] == {3}
    # WHEN nothing is known of its load / THEN that much is certain all the same
    assert judged(BRANCHES, ran=ran)["+"] == {1, 2, 5, 6, 7, 9, 10, 11, 12}


TURNS = """\
try:
    for number in numbers:
        if number == 1:
            continue
        try:
            work(number)
        except ValueError:
            FAILED = number
            report()
            raise
        except TypeError:
            raise
        DONE = number
except ValueError:
    pass
LAST = 1
"""


def test_turns_of_a_loop_are_told_apart() -> None:
    """One turn may have come to its end, and another to a handler: of neither more is claimed."""
    load = ImportedModule(True, 0, False, (3, 11), 0, "number FAILED DONE LAST")
    found = judged(TURNS, load)
    assert found["-"] == set()
    assert found["+"] >= {1, 2, 3, 5, 6, 7, 8, 9, 13, 16}
    assert not found["+"] & {4, 10, 11, 12, 14, 15}


AT_ONCE = """\
def run(function):
    function()
    return function
@run
def main():
    while True:
        work()
print("after")
"""


@pytest.mark.parametrize("reached", [4, 5])
def test_a_decorator_that_calls_at_once(reached: int) -> None:
    """A function that runs inside its own decorator has not been defined to the end."""
    # GIVEN a function whose decorator runs it for ever / WHEN the program is judged
    running = ImportedModule(True, reached, True, (3, 11), 0, "run", "1")
    found = judged(AT_ONCE, running, ran=frozenset({6, 7}))

    # THEN what is behind it did not run
    assert found == {"+": {1, 4, 5}, "-": {8}, "?": set()}
    # AND if the decorator gave up, or it is not known where the program stands, it is open
    for other in (
        ImportedModule(True, 4, False, (3, 11), 0, "run kept", "1 4"),
        ImportedModule(True, 0, True, (3, 11), 0, "run"),
    ):
        assert judged(AT_ONCE, other, ran=frozenset({6, 7}))["?"] == {8}


SELF_IMPORT = """\
def helper():
    return 1
if __name__ == "__main__":
    import app
    app.serve()
    print("done")
    cleaned = 1
def serve():
    while True:
        work()
"""


def test_a_function_of_another_copy_of_the_module() -> None:
    """A function that runs, or is in the namespace, may come from a copy of the module."""
    # GIVEN a program that imports itself, and stands in a function of the copy
    main = ImportedModule(True, 5, True, (3, 11), 0, "helper app", "1 8")
    copy = ImportedModule(False, None, False, (3, 11), 0, "helper serve", "1 8")
    ran = frozenset({9, 10})
    # WHEN it is judged, with the copy and where this is not told
    for loads in ([main, copy], [main]):
        found = judged(SELF_IMPORT, *loads, ran=ran)

        # THEN what is behind the call did not run
        assert found == {"+": {1, 3, 4, 5, 8}, "-": {6, 7}, "?": set()}


def test_a_function_of_one_of_two_loads() -> None:
    """A function that either of two loads can have defined tells its branch for neither."""
    code = "if condition:\n    def run():\n        return 1\n    after = 1\nLAST = 1\n"
    half = ImportedModule(False, 0, False, (3, 11), 0)
    found = judged(code, half, half._replace(names="LAST"), ran=frozenset({3}))
    assert found == {"+": {1, 2, 5}, "-": set(), "?": {4}}
    # AND where the other stands before it, it is known whose it is
    before = half._replace(reached=1, is_running=True)
    assert judged(code, before, half, ran=frozenset({3}))["+"] == {1, 2, 4}


def test_a_class_that_is_at_work() -> None:
    """Of a class whose methods run while it is being made, the lines behind it have not run."""
    code = "class A(Base):\n    @run\n    def main(self):\n        work()\n    x = 1\nLAST = 1\n"
    found = judged(code, ImportedModule(True, 1, True, (3, 11), 0), ran=frozenset({4}))
    assert found == {"+": {1, 2, 3}, "-": {6}, "?": {5}}


def test_a_with_that_is_being_left() -> None:
    """A `with` is left in its first line: its body may have run, the lines behind it have not."""
    code = "with pool():\n    first()\n    x = 1\n    second()\nafter()\n"
    found = judged(code, ImportedModule(True, 1, True, (3, 11), 0))
    assert found == {"+": {1}, "-": {5}, "?": {2, 3, 4}}
    assert judged(code, ImportedModule(True, 1, True, (3, 11), 0, "x"))["+"] == {1, 2, 3, 4}


def test_a_loop_that_stands_in_its_first_line() -> None:
    """Of a loop, lines of the turns before are known by their names."""
    code = "for line in lines:\n    x = 1\n    use(x)\nafter()\n"
    assert judged(code, ImportedModule(True, 1, True, (3, 11), 0, "line x"))["+"] == {1, 2, 3}


SETTINGS = """\
DEBUG = False
import local_settings
if not DEBUG:
    SECURE = True
LAST = 1
"""


def test_a_name_that_another_module_changes() -> None:
    """A name that is bound to False may be another when it is asked for, if code ran between."""
    # GIVEN settings that another module sets / WHEN they are judged
    found = judged(SETTINGS, DONE._replace(names="DEBUG local_settings LAST"))
    # THEN what depends on them is open, whatever else is known
    assert found == {"+": {1, 2, 3, 5}, "-": set(), "?": {4}}
    last = SETTINGS.partition("LAST")[0]
    assert judged(last, DONE._replace(names="DEBUG local_settings"))["+"] == {1, 2, 3}
    # AND with nothing between, the source decides
    short = SETTINGS.replace("import local_settings", "import os\nA = os.getcwd()")
    assert judged(short, DONE._replace(names="DEBUG os A SECURE LAST"))["+"] == {1, 2, 3, 4, 5, 6}


def test_a_branch_whose_name_is_missing() -> None:
    """A branch that the source decides on, but whose name is missing, may not have been taken."""
    code = "import sys\nif sys.platform == 'linux':\n    A = 1\nelse:\n    B = 1\nLAST = 1\n"
    for names in ("sys LAST", "sys B LAST"):
        found = judged(code, DONE._replace(names=names))
        assert 3 not in found["+"]
        assert found["-"] == set()
    assert judged(code, DONE._replace(names="sys A LAST")) == {
        "+": {1, 2, 3, 6},
        "-": {5},
        "?": set(),
    }


HOOK = """\
import os
BEFORE
if os.environ.get("NO"):
    HOOK = 1
BEHIND
LAST = 1
"""


@pytest.mark.parametrize("busy", ["import local2", "local2()", "class A(Base): pass", "X = a.b"])
def test_a_name_of_a_block_that_another_module_sets(busy: str) -> None:
    """A name lies between its neighbours also if another module has set it between them."""
    for before, behind in ((busy, "pass"), ("pass", busy)):
        code = HOOK.replace("BEFORE", before).replace("BEHIND", behind)
        names = "os HOOK local2 A X LAST" if behind == busy else "os local2 A X HOOK LAST"
        held = " ".join(name for name in names.split() if name in code)
        is_named = before == busy and busy != "local2()"
        found = judged(code, DONE._replace(names=held))
        assert (4 in found["+"]) is is_named
    # AND with the standard library only, it proves that the block was entered
    quiet = HOOK.replace("BEFORE", "print(len('a'))").replace("BEHIND", "import json")
    assert judged(quiet, DONE._replace(names="os HOOK json LAST"))["+"] == {1, 2, 3, 4, 5, 6}


RAISED = """\
for x in (1, 2):
    try:
        if x == 1:
            raise ValueError
        try:
            work(x)
        except OSError:
            raise
        y = x
    except ValueError:
        continue
    else:
        def f():
            pass
LAST = 1
"""


def test_one_turn_of_a_loop_says_nothing_of_the_others() -> None:
    """Lines that one turn of a loop cannot have come by are open, not said never to have run."""
    found = judged(RAISED, DONE._replace(names="x y f LAST", lines="13"))
    assert found["-"] == set()
    assert {4, 8} <= found["?"]
    assert found["+"] >= {1, 2, 3, 5, 6, 9, 13, 15}


def test_nothing_is_claimed_of_what_was_not_loaded() -> None:
    """A file that was imported while measured, or never, has nothing that ran before."""
    code = "a = 1\ndef f():\n    return 1\n"
    assert toplevel.judge(ast.parse(code), [], set()) is None
    assert toplevel.judge(ast.parse(code), [], {1, 2, 3}) is None
    assert toplevel.judge(ast.parse(code), [], {3}) is not None


@pytest.mark.parametrize("python", [(3, 9), (3, 13), (3, 14)])
def test_what_is_no_code_is_not_claimed(python: tuple[int, int]) -> None:
    """Lines for which a version of Python makes no code did not run there."""
    code = 'a: int\n"constant"\nb: int = 1\n'
    code += "c = 1\n"
    claimed = judged(code, bound(code, ImportedModule(False, None, False, python, 0)))["+"]
    assert (1 in claimed) is (python < (3, 14))
    assert {3, 4} <= claimed


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "options", [(), pytest.param(("-O",), marks=pytest.mark.stress)], ids=["", "O"]
)
def test_no_claim_is_false(options: tuple[str, ...]) -> None:
    """Stock coverage saw each line that is claimed of modules of the standard library."""
    # GIVEN a hundred modules, imported under stock coverage
    library = sysconfig.get_paths()["stdlib"]
    words = [f"--include={library}/*", *MODULES]
    recorded = blue.recorded([sys.executable, *options], "", words)

    # WHEN each is judged
    compared = blue.Comparison()
    named = {f"{library}/{name.replace('.', '/')}.py" for name in MODULES}
    recorded["lines"] = {name: recorded["lines"][name] for name in named & {*recorded["lines"]}}
    compared.add(recorded)

    # THEN no claim is false, and most of the lines that ran are claimed
    print(f"{compared.files} modules: {compared.percent:.1f} % of {compared.seen} lines")
    assert compared.files > 80
    assert compared.false == []
    assert compared.percent > 95
