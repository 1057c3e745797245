"""Builds the C programs of tests/targets that have Python inside, and runs each with its Python."""

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
    """Return what is needed to link with an interpreter: folders, libraries, and more.

    `loaded` has the path of the shared libpython that the interpreter uses, if any.
    """
    asked = subprocess.run([interpreter.python, "-c", ASK], capture_output=True, check=True)
    facts: dict[str, str] = json.loads(asked.stdout)
    return facts


def embedding(interpreter: Interpreter, folder: Path, *options: str) -> Interpreter:
    """Build embedding.c with the static library; return an Interpreter that stands for the program.

    `options` are further ones of the compiler.
    """
    facts = config(interpreter)
    library = Path(facts["LIBPL"]) / facts["LIBRARY"]
    after = [str(library), *facts["LIBS"].split(), *facts["SYSLIBS"].split()]
    words = [*options, f"-I{facts['INCLUDEPY']}", str(TARGETS / "embedding.c"), *after]
    return built(interpreter, folder, words)


def loading(interpreter: Interpreter, folder: Path) -> Interpreter:
    """Build loading.c, which loads a shared libpython; return an Interpreter that stands for it."""
    words = [str(TARGETS / "loading.c"), "-ldl"]
    if interpreter.root is not None:  # whose library needs a newer C library than ours
        first, second = (f"{interpreter.root}/{one}lib/x86_64-linux-gnu" for one in ("", "usr/"))
        words.append(f"-Wl,--dynamic-linker,{first}/ld-linux-x86-64.so.2")
        words.append(f"-Wl,--disable-new-dtags,-rpath,{first}:{second}")
    return built(interpreter, folder, words)


def built(interpreter: Interpreter, folder: Path, words: list[str]) -> Interpreter:
    """Compile a program into `folder` with the compiler's arguments `words`.

    Returns `interpreter` with the program in the place of `python`.
    """
    program = folder / "application"
    subprocess.run(["cc", *words, "-o", str(program)], check=True, capture_output=True)
    return replace(interpreter, python=str(program))


def home(interpreter: Interpreter) -> dict[str, str]:
    """Return the environment variables by which such a program finds the standard library."""
    return {"PYTHONHOME": config(interpreter)["prefix"]}
