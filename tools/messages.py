"""Find every error message in the code, for docs/messages.md, which `make docs` writes.

Each error of covattach is made by a call such as `NotNow("what happened", "what to do")`.  Here
the calls are found in the syntax tree, so that a message cannot be missing from the page.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from covattach import errors

PACKAGE = Path(errors.__file__).parent
KINDS = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.CovattachError)
}
MEANINGS = {
    kind.exit_code: (kind.__doc__ or "").strip()
    for kind in KINDS.values()
    if kind is not errors.CovattachError
}
HEAD = """\
# Messages

Every error is one sentence that says what happened, and one that says what to do about it; no
traceback of covattach itself. `covattach -v …` shows everything that is known, gdb's transcript
too. This page has all of them, by exit code. Words in capitals stand for what is the case.
It is made by `make docs` from the code.

Exit code 0: it is done. Exit code 2 is also that of a command line that makes no sense, which
`covattach COMMAND --help` puts right.
"""
DEPENDS = "It depends on what is written: the message says it."


@dataclass(frozen=True, order=True)
class Message:
    """An error: its exit code, its message, and the remedy."""

    code: int
    text: str
    remedy: str


class Unreadable(Exception):
    """A message is made in a way that is not understood here."""


class Module:
    """One source file, and the constants and small functions that its messages are made of."""

    def __init__(self, path: Path) -> None:
        """Parse the file."""
        self.path = path
        self.tree = ast.parse(path.read_text(encoding="utf-8"))
        self.constants: dict[str, ast.expr] = {}
        self.returns: dict[str, ast.expr] = {}
        for node in self.tree.body:
            if isinstance(node, ast.ImportFrom):
                self.constants.update(imported(node))
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                self.constants[node.targets[0].id] = node.value
            if isinstance(node, ast.FunctionDef) and isinstance(node.body[-1], ast.Return):
                self.returns[node.name] = node.body[-1].value or ast.Constant("")

    def messages(self) -> Iterator[Message]:
        """Yield the messages of all errors that are made in this file."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                if node.func.id in KINDS:
                    yield self.message(node.func.id, node)
            elif isinstance(node, ast.ClassDef):
                yield from self.of_class(node)

    def of_class(self, node: ast.ClassDef) -> Iterator[Message]:
        """Yield the message of an error class in this file, from its call of `super().__init__`."""
        bases = [base.id for base in node.bases if isinstance(base, ast.Name) and base.id in KINDS]
        for call in ast.walk(node) if bases and self.path.name != "errors.py" else ():
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "super().__init__":
                yield self.message(bases[0], call)

    def message(self, kind: str, call: ast.Call) -> Message:
        """Return the message of the error that a call makes; raises Unreadable."""
        if len(call.args) < 2:
            raise Unreadable(f"{self.path}, line {call.lineno}: {kind} without a remedy")
        text, remedy = (self.text(argument) for argument in call.args[:2])
        return Message(KINDS[kind].exit_code, text, remedy)

    def text(self, node: ast.expr) -> str:
        """Return an expression as text, with a word in capitals for each part that varies."""
        if isinstance(node, ast.Constant):
            return str(node.value)
        if isinstance(node, ast.JoinedStr):
            return "".join(self.text(part) for part in node.values)
        if isinstance(node, ast.FormattedValue):
            return self.value(node.value)
        if isinstance(node, ast.Name):
            constant = self.constants.get(node.id)
            return self.text(constant) if constant else DEPENDS
        if isinstance(node, ast.Call):
            return self.called(node)
        raise Unreadable(f"{self.path}, line {node.lineno}: {ast.unparse(node)}")

    def called(self, node: ast.Call) -> str:
        """Return the text of `"…".format(…)`, or of a call of a function that returns a text."""
        if isinstance(node.func, ast.Attribute) and node.func.attr == "format":
            return self.text(node.func.value).replace("{}.{}", "X.Y")
        if isinstance(node.func, ast.Name) and node.func.id in self.returns:
            return self.text(self.returns[node.func.id])
        raise Unreadable(f"{self.path}, line {node.lineno}: {ast.unparse(node)}")

    def value(self, node: ast.expr) -> str:
        """Return the text for a part that varies: a constant's items, or a word in capitals."""
        if isinstance(node, ast.Call) and node.args:
            name = ast.unparse(node.args[0])
            if name in self.constants:
                return ", ".join(ast.literal_eval(self.constants[name]))
            return self.value(node.args[0])
        if isinstance(node, ast.Subscript):
            number = ast.unparse(node.slice)
            name = self.value(node.value)
            return {"0": "X", "1": "Y"}.get(number, name) if name == "VERSION" else name
        if isinstance(node, ast.Attribute):
            return node.attr.upper()
        if isinstance(node, ast.Name):
            return node.id.upper()
        raise Unreadable(f"{self.path}, line {node.lineno}: {ast.unparse(node)}")


def imported(node: ast.ImportFrom) -> dict[str, ast.expr]:
    """Return the constants that are imported from another file of covattach's."""
    names = {one.name for one in node.names if one.name.isupper()}
    path = PACKAGE.parent / f"{(node.module or '').replace('.', '/')}.py"
    if not names or not path.is_relative_to(PACKAGE) or not path.exists():
        return {}
    held = Module(path).constants
    return {name: held[name] for name in names & set(held)}


def find() -> list[Message]:
    """Return all messages, by exit code; raises Unreadable for one that is not understood."""
    found: set[Message] = set()
    for path in sorted(PACKAGE.rglob("*.py")):
        found.update(Module(path).messages())
    return sorted(found)


def page() -> str:
    """Return the page of all messages, in Markdown."""
    parts = [HEAD]
    before = 0
    for message in find():
        if message.code != before:
            before = message.code
            parts.append(f"## Exit code {before}\n\n{MEANINGS[before]}\n")
        parts.append(f"**{message.text}**\\\n{message.remedy}\n")
    return "\n".join(parts)
