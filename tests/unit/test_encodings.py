"""Texts are read and written in a named encoding, whichever the locale has.

Python warns of others under `-X warn_default_encoding`: also in a target, by payloads of ours.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.interpreters import ROOT

SOURCES = [path for part in ("covattach", "payloads") for path in (ROOT / part).rglob("*.py")]


def unnamed(tree: ast.AST) -> Iterator[int]:
    """Yield the lines of calls that read or write text, and leave the encoding to the locale."""
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        mode = given.get("mode", call.args[1] if len(call.args) > 1 else None)
        is_binary = isinstance(mode, ast.Constant) and "b" in str(mode.value)
        opens = ast.unparse(call.func) in ("open", "io.open") and not is_binary
        is_text = opens or name in ("read_text", "write_text") or is_true(given.get("text"))
        if is_text and "encoding" not in given:
            yield call.lineno


def is_true(found: ast.expr | None) -> bool:
    """Whether an argument is the constant True."""
    return isinstance(found, ast.Constant) and found.value is True


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_encodings_are_named(path: Path) -> None:
    """No call leaves the encoding to the locale."""
    assert list(unnamed(ast.parse(path.read_text(encoding="utf-8")))) == []
