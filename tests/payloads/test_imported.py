"""The agent's account of imports: which files, how far they had got, and since when."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest
from support.inside import Inside
from support.interpreters import Interpreter
from support.targets import TARGETS, Launch
from support.waiting import wait_for

from covattach.snapshot.imported_modules import ImportedModule

PYTHONS = ("3.9", "3.11", "3.13", "3.14", "3.15")


@pytest.mark.pythons(*PYTHONS)
def test_files_that_were_imported_before(interpreter: Interpreter, launch: Launch) -> None:
    """The main program is at its line, its imports are finished, and no other file is named."""
    # GIVEN a target in a loop of its top level
    began = time.time()
    target = launch(interpreter, "imports.py")
    here, before, later = (str(TARGETS / f"imports{end}.py") for end in ("", "_before", "_later"))
    with Inside(target) as agent:
        # WHEN it is measured, and then imports another module
        agent.start()
        assert target.ask("load()") == 2
        loads = agent.dump().loads

        # THEN the first is known, with the line of the loop, and the other is not
        lines = (TARGETS / "imports.py").read_text().splitlines()
        loop = 1 + next(at for at, line in enumerate(lines) if line.endswith("# the loop"))
        (main,) = loads.of(here)
        assert main.main
        assert main.is_running
        assert main.reached in (loop, loop + 1)
        names, lines = "FIRST Thing used unused nowhere LAST", "13 17 9"
        imported = ImportedModule(False, None, False, interpreter.minor, 0, names, lines)
        assert loads.of(before) == {imported}
        assert not loads.of(later)
        assert loads.since is not None
        assert loads.noted is not None
        assert began - 0.1 < loads.since < loads.noted < time.time()

        # WHEN the window begins anew / THEN the other was imported before it
        agent.dump(reset=True)
        loads = agent.dump().loads
        (late,) = loads.of(later)
        assert late.reached is None
        assert late.names == "FIRST used unused"
        assert agent.stop().loads == loads


LAZY = """\
import importlib.util, sys
sys.path[:0] = [TARGETS, ROOT]
spec = importlib.util.find_spec("imports_later")
spec.loader = importlib.util.LazyLoader(spec.loader)
module = sys.modules["imports_later"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
sys.modules.update(odd=object(), none=None)
import payloads.snapshot.imported_modules
files = payloads.snapshot.imported_modules.describe()["finished"].split("\\0")
assert type(module).__name__ == "_LazyModule"
assert files and not any(file.endswith("imports_later.py") for file in files)
"""


@pytest.mark.pythons(*PYTHONS)
def test_a_look_loads_nothing(interpreter: Interpreter) -> None:
    """Modules that load when an attribute is asked for are not loaded, nor believed to be."""
    # GIVEN a lazy module, and things in `sys.modules` that are no modules / WHEN they are looked at
    code = LAZY.replace("TARGETS", repr(str(TARGETS)))
    code = code.replace("ROOT", repr(str(TARGETS.parent.parent)))
    words = [interpreter.python, "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, check=False)

    # THEN it is as lazy as it was, and is not named
    assert done.returncode == 0, done.stderr


THREADED = """\
import os, threading
import answering
def work():
    threading.Event().wait()
threading.Thread(target=work).start()
answering.in_thread(globals())
if os.environ["HOW"] == "raises":
    raise SystemExit
def late():
    pass
"""


@pytest.mark.pythons(*PYTHONS)
@pytest.mark.parametrize("how", ["raises", "ends"])
def test_a_main_program_that_has_ended(
    interpreter: Interpreter, how: str, launch: Launch, tmp_path: Path
) -> None:
    """Of a main program that has ended, by an exception or not, the last function is known."""
    # GIVEN a program that has ended, and whose threads live on
    path = tmp_path / "threaded.py"
    path.write_text(THREADED, encoding="utf-8")
    target = launch(interpreter, path, env={"HOW": how})
    ended = "not any(f.f_code.co_name == '<module>' for g in sys._current_frames().values()"
    ended += " for f in answering.stack(g) if f.f_code.co_filename.endswith('threaded.py'))"
    wait_for(lambda: target.ask(ended) is True, "the main program ends")
    with Inside(target) as agent:
        # WHEN it is measured
        agent.start()
        loads = agent.dump().loads.of(str(path))

        # THEN the line that it has surely reached is told, and not that it is through
        line = 1 + THREADED.splitlines().index("def late():" if how == "ends" else "def work():")
        (load,) = loads
        assert (load.main, load.reached, load.is_running) == (True, line, False)
        agent.stop()


PACKAGE = {
    "__init__": "from package.other import thing\nlast = 1\n",
    "other": "import package.classy, package.itself, package.renamed, package.gone, sys\n"
    "thing = 1\ndel sys.modules['package.gone']\n",
    "classy": "import sys, types\nclass Callable(types.ModuleType): pass\n"
    "sys.modules[__name__].__class__ = Callable\n",
    "itself": "import sys\nsys.modules[__name__] = object()\n",
    "renamed": "__name__ = 'another'\n",
    "gone": "",
}
COPIED = """\
import copied, json, sys
from copied import serve
def here(): pass
sys.path.append(ROOT)
import payloads.snapshot.imported_modules
told = payloads.snapshot.imported_modules.describe()
print(json.dumps([told["finished"].split("\\0"), told["names"].split("\\0"), told["modules"]]))
"""


@pytest.mark.pythons(*PYTHONS)
def test_what_a_module_did_not_bind_itself(interpreter: Interpreter, tmp_path: Path) -> None:
    """Submodules of any kind are told apart from names, and functions from those of a copy."""
    # GIVEN a package whose submodules are no plain modules, or say to be others
    (tmp_path / "package").mkdir()
    for name, code in PACKAGE.items():
        (tmp_path / "package" / f"{name}.py").write_text(code)
    # AND a program with functions of a copy of it
    program = COPIED.replace("ROOT", repr(str(TARGETS.parent.parent)))
    path = tmp_path / "copied.py"
    path.write_text(
        "if __name__ != '__main__':\n    import package\n    def serve(): pass\nelse:\n"
    )
    with path.open("a") as file:
        file.writelines(f"    {line}\n" for line in program.splitlines())

    # WHEN it looks at its imports
    words = [interpreter.python, str(path)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=tmp_path)
    files, names, others = json.loads(done.stdout)

    # THEN the submodules have a point before them
    told = dict(zip(files, names, strict=True))[str(tmp_path / "package" / "__init__.py")]
    marked = ".classy .itself .renamed .gone .other thing last"
    assert set(told.split()) == set(marked.split())
    # AND the functions of the program are its own
    (main,) = [entry for entry in others if entry[1]]
    assert main[5] == "7"
