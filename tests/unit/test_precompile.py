"""Precompiled payloads: the programs that may be run to compile them, and the cache."""

from __future__ import annotations

import io
import marshal
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from covattach.payloads.module_loader import DIGEST
from support.interpreters import newest
from support.targets import Target

from covattach.attach import compile_payloads
from covattach.attach.compile_payloads import FIRST
from covattach.process.process import Process

SOURCES = {
    "bootstrap": "",
    "unpatched": "",
    "originals": "",
    "launch": "value = 0\n",
    "processes.fork_hooks": "",
    "module_loader": "",
    "one": "value = 1\n",
    "two": "def two(): return 'text'\n",
    "three": "held: int\nvalue: int = 3\ndef three(a: int) -> int:\n    c: int = a\n    return c\n",
}


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    """Return a process of a Python that Debian has."""
    target = Target([newest("3.11").python, "-c", "print('ready'); input()"], tmp_path)
    target.line("ready")
    yield Process(target.pid)
    target.close()


def test_code_of_this_version() -> None:
    """The program compiles all sources, and says for which version."""
    found = compile_payloads.compiled_by(Path(sys.executable), SOURCES)
    assert found is not None
    content = io.BytesIO(found[4:])
    parts = [content.read(int.from_bytes(content.read(4), "little")) for _ in FIRST]
    _, _, _, launch, _, _, code = map(marshal.loads, [*parts, content.read()[DIGEST:]])
    space: dict[str, object] = {}
    exec(launch, space)
    assert space["value"] == 0
    exec(code["one"], space)
    assert space["value"] == 1
    assert code["two"].co_filename == "<covattach two>"


def test_annotations_are_left_out() -> None:
    """The target gets no annotations, and all else as it is written, on the same lines."""
    found = compile_payloads.compiled_by(Path(sys.executable), SOURCES)
    assert found is not None
    content = io.BytesIO(found[4:])
    for _ in FIRST:
        content.read(int.from_bytes(content.read(4), "little"))
    code = marshal.loads(content.read()[DIGEST:])["three"]  # noqa: S302
    space: dict[str, Any] = {}
    exec(code, space)
    assert (space["value"], space["three"](4)) == (3, 4)
    assert space["three"].__annotations__ == {}
    assert "__annotations__" not in space
    assert space["three"].__code__.co_firstlineno == 3


@pytest.mark.parametrize("text", ["#!/bin/sh\nexit 3\n", "#!/bin/sh\nkill -9 $$\n"])
def test_program_that_will_not(tmp_path: Path, text: str) -> None:
    """A program that fails gives nothing."""
    program = tmp_path / "python3"
    program.write_text(text)
    program.chmod(0o755)
    assert compile_payloads.compiled_by(program, SOURCES) is None


def test_only_trusted_programs(tmp_path: Path) -> None:
    """A program that somebody else could change, or that is no Python, is not run."""
    folder = tmp_path / "bin"
    folder.mkdir()
    python = Path(newest("3.11").python).resolve()
    program = Path(shutil.copy(python, folder / "python3.11"))
    assert compile_payloads.is_ours(program)
    program.chmod(0o775)
    assert not compile_payloads.is_ours(program)
    program.chmod(0o755)
    folder.chmod(0o777)
    assert not compile_payloads.is_ours(folder)
    assert compile_payloads.PYTHON.fullmatch("python3.11")
    assert not compile_payloads.PYTHON.fullmatch("uwsgi")
    assert not compile_payloads.PYTHON.fullmatch("python3-config")


def test_kept_and_found_again(
    process: Process, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second time nothing is run; a cache that cannot be written does no harm."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    first = compile_payloads.payloads(process)
    if first is None:
        assert compile_payloads.trusted_program(process) is None
        return
    (kept,) = (tmp_path / "cache" / "covattach" / "payloads").iterdir()
    kept.write_bytes(b"kept")
    assert compile_payloads.payloads(process) == b"kept"

    monkeypatch.setenv("XDG_CACHE_HOME", os.devnull)
    assert compile_payloads.payloads(process) == first


def test_program_of_a_command(tmp_path: Path) -> None:
    """The payloads are compiled for a script whose first line names a Python, and for no other."""
    script = tmp_path / "server"
    for line in ("#!/usr/bin/python3.11 -s\n", "#!/usr/bin/env python3.11\n"):
        script.write_text(line)
        assert os.path.realpath(str(compile_payloads.interpreter_of(script))).endswith("python3.11")
    script.write_text("import this\n")
    assert compile_payloads.interpreter_of(script) is None
    assert compile_payloads.payloads_for("/nonexistent/program") is None
    assert compile_payloads.payloads_for("/bin/sh") is None
