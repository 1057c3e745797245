"""Programs in C that have Python inside: built from tests/targets, each beside its own Python."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

from support.interpreters import Interpreter
from support.targets import TARGETS

ASK = """\
import json, sys, sysconfig
names = ("INCLUDEPY", "LIBPL", "LIBRARY", "LIBS", "SYSLIBS")
loaded = [word for word in open("/proc/self/maps").read().split() if "/libpython3." in word]
facts = {name: sysconfig.get_config_var(name) for name in names}
print(json.dumps({"prefix": sys.prefix, "loaded": loaded[:1], **facts}))
"""


def config(interpreter: Interpreter) -> dict[str, str]:
    """Return how to link with an interpreter's library, and the shared one that it has loaded."""
    asked = subprocess.run([interpreter.python, "-c", ASK], capture_output=True, check=True)
    facts: dict[str, str] = json.loads(asked.stdout)
    return facts


def embedding(interpreter: Interpreter, folder: Path, *options: str) -> Interpreter:
    """Build embedding.c with the static library; return it as if it were an interpreter."""
    facts = config(interpreter)
    library = Path(facts["LIBPL"]) / facts["LIBRARY"]
    after = [str(library), *facts["LIBS"].split(), *facts["SYSLIBS"].split()]
    words = [*options, f"-I{facts['INCLUDEPY']}", str(TARGETS / "embedding.c"), *after]
    return built(interpreter, folder, words)


def loading(interpreter: Interpreter, folder: Path) -> Interpreter:
    """Build loading.c, which takes a shared library at run time; return it in the same way."""
    words = [str(TARGETS / "loading.c"), "-ldl"]
    if interpreter.root is not None:  # whose library needs a newer C library than ours
        first, second = (f"{interpreter.root}/{one}lib/x86_64-linux-gnu" for one in ("", "usr/"))
        words.append(f"-Wl,--dynamic-linker,{first}/ld-linux-x86-64.so.2")
        words.append(f"-Wl,--disable-new-dtags,-rpath,{first}:{second}")
    return built(interpreter, folder, words)


def built(interpreter: Interpreter, folder: Path, words: list[str]) -> Interpreter:
    """Compile a program into a folder."""
    program = folder / "application"
    subprocess.run(["cc", *words, "-o", str(program)], check=True, capture_output=True)
    return replace(interpreter, python=str(program))


def home(interpreter: Interpreter) -> dict[str, str]:
    """Return the environment in which a host finds the standard library."""
    return {"PYTHONHOME": config(interpreter)["prefix"]}
