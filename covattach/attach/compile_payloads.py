"""Compilation of the payloads outside of the target, by the same Python program as the target's.

Byte code is good for one version of Python only, and compiling is a third of the cost of an attach
to the target.  The result is cached.  Only a program that nobody but root and we could have changed
is run; for any other, the target compiles the payloads itself.
"""

from __future__ import annotations

import contextlib
import hashlib
import marshal
import os
import re
import shutil
import subprocess
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from covattach.deadline import Deadline
from covattach.files import cache
from covattach.payloads.module_loader import MODULES
from covattach.process.plain_files import opened
from covattach.process.process import Process

PYTHON = re.compile(r"python3?(\.\d+)?")
LONGEST_LINE = 256  # bytes of a script's first line: BINPRM_BUF_SIZE of Linux
MAGIC = 4  # bytes of the number that tells versions of byte code apart
# Names of the payloads that are executed before MODULES.
FIRST = ("bootstrap", "unpatched", "originals", "launch", "processes.fork_hooks", "module_loader")
PATIENCE = 5.0  # seconds; it takes 0.5
# Standard input has the sources as `marshal` writes them.  Standard output has the magic number of
# the version, which payloads/bootstrap.py compares, and the code: that of FIRST,
# each with its size before it (from a file, `marshal` would read it byte by byte), and the others',
# with a digest before it, which takes longer to make in the target.  Annotations are left out: they
# are up to a fifth of the code, and the target would have to make objects of them.
COMPILER = (
    f"FIRST = {FIRST}"
    """
import ast, hashlib, marshal, sys, _frozen_importlib_external as bootstrap
class WithoutAnnotations(ast.NodeTransformer):
    def visit_arg(self, node):
        node.annotation = None
        return node
    def visit_FunctionDef(self, node):
        node.returns = None
        return self.generic_visit(node)
    def visit_AnnAssign(self, node):
        if node.value is None:
            return ast.copy_location(ast.Pass(), node)
        return ast.copy_location(ast.Assign([node.target], self.visit(node.value)), node)
sources = marshal.load(sys.stdin.buffer)
code = {}
for name, source in sources.items():
    tree = ast.fix_missing_locations(WithoutAnnotations().visit(ast.parse(source)))
    named = "<covattach " + name + ">"
    code[name] = compile(tree, named, "exec", dont_inherit=True, optimize=2)
sys.stdout.buffer.write(bootstrap.MAGIC_NUMBER)
for name in FIRST:
    first = marshal.dumps(code.pop(name))
    sys.stdout.buffer.write(len(first).to_bytes(4, "little") + first)
content = marshal.dumps(code)
sys.stdout.buffer.write(hashlib.sha256(content).digest() + content)
"""
)


def payloads(process: Process, deadline: Deadline | None = None) -> bytes | None:
    """Return the payload modules compiled for `process`, or None where its program cannot be used.

    They are in the format of the output of COMPILER.
    """
    program = trusted_program(process)
    seconds = PATIENCE if deadline is None else deadline.within(PATIENCE).left
    return None if program is None else payloads_by(program, seconds)


def payloads_for(command: str) -> bytes | None:
    """Return the payloads compiled for a command's Python, or for the one its script names.

    None where that Python cannot be determined, or is not safe to run.
    """
    found = shutil.which(command)
    if found is None:
        return None
    program = Path(os.path.realpath(found))
    if not PYTHON.fullmatch(program.name):
        named = interpreter_of(program)
        if named is None:
            return None
        program = Path(os.path.realpath(named))
    if not PYTHON.fullmatch(program.name) or not program.exists():
        return None
    ours = all(is_ours(path) for path in (program, *program.parents))
    return payloads_by(program) if ours else None


def interpreter_of(script: Path) -> str | None:
    """Return the program that the first line of a script names: `#!/usr/bin/env python3`."""
    try:
        with opened(script) as file:
            line = file.readline(LONGEST_LINE).decode(errors="replace")
    except OSError:
        return None
    words = line.removeprefix("#!").split() if line.startswith("#!") else []
    if len(words) > 1 and os.path.basename(words[0]) == "env":
        return shutil.which(words[1])
    return words[0] if words else None


def payloads_by(program: Path, seconds: float = PATIENCE) -> bytes | None:
    """Return the payload modules compiled by a program, or cached; None if it fails."""
    folder = files("covattach.payloads")
    names = (*FIRST, *MODULES)
    sources = {name: text_of(folder, name) for name in names}
    cached = kept(program, sources)
    if cached is not None:
        with contextlib.suppress(OSError):
            return cached.read_bytes()
    compiled = compiled_by(program, sources, seconds)
    if compiled is not None and cached is not None:
        keep(cached, compiled)
    return compiled


def text_of(folder: Traversable, name: str) -> str:
    """Return the source of a payload module, such as `agent.session`."""
    return (folder / (name.replace(".", "/") + ".py")).read_text(encoding="utf-8")


def first(compiled: bytes | None) -> bytes:
    """Return bootstrap.py for the line to execute: compiled if possible, or else its text.

    `compiled` is the result of `payloads`.
    """
    size = int.from_bytes((compiled or b"")[MAGIC : MAGIC + 4], "little")
    if compiled and 0 < size < len(compiled):
        return compiled[:MAGIC] + compiled[MAGIC + 4 : MAGIC + 4 + size]
    return (files("covattach.payloads") / "bootstrap.py").read_bytes()


def trusted_program(process: Process) -> Path | None:
    """Return the program of `process` if it is Python and only root and we can change it."""
    if process.root != Path("/"):
        return None
    program = Path(os.readlink(process.proc / "exe"))
    if not PYTHON.fullmatch(program.name) or not program.exists():
        return None
    ours = all(is_ours(path) for path in (program, *program.parents))
    return program if ours and program.samefile(process.proc / "exe") else None


def is_ours(path: Path) -> bool:
    """Whether nobody but root and we can change `path`."""
    found = path.stat()
    return found.st_uid in (0, os.geteuid()) and not found.st_mode & 0o022


def kept(program: Path, sources: dict[str, str]) -> Path | None:
    """Return the path in the cache for the code that `program` makes of `sources`, there or not.

    None if there is no safe cache.
    """
    found = program.stat()
    key = repr((str(program), found.st_mtime_ns, found.st_size, COMPILER, sorted(sources.items())))
    folder = cache.place("payloads")
    return folder and folder / hashlib.sha256(key.encode()).hexdigest()[:32]


def compiled_by(program: Path, sources: dict[str, str], seconds: float = PATIENCE) -> bytes | None:
    """Return the code that `program` makes of `sources`, or None if it fails, or takes longer."""
    try:
        done = subprocess.run(
            [program, "-I", "-S", "-c", COMPILER],
            input=marshal.dumps(sources, 2),
            capture_output=True,
            timeout=seconds,
            env={"PATH": "/usr/bin:/bin"},
            cwd="/",
            start_new_session=True,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None  # it may need the target's environment
    return done.stdout


def keep(cached: Path, compiled: bytes) -> None:
    """Write `compiled` to the file `cached` atomically; errors are ignored."""
    beside = cached.with_suffix(f".{os.getpid()}")
    try:
        cached.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside.write_bytes(compiled)
        beside.rename(cached)
    except OSError:
        return
