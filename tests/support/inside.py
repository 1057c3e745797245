"""Runs the payloads in a target without a debugger, for the tests in tests/payloads.

In place of an injector, the target executes the bootstrap line itself, in the thread that answers
the tests.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from covattach.payloads.module_loader import MODULES
from covattach.payloads.session_files import BEGIN

from covattach.attach.compile_payloads import FIRST, compiled_by, first, text_of
from covattach.injector.bootstrap_line import bootstrap_line
from covattach.session import agent_client
from covattach.session.folder import SessionFolder
from covattach.snapshot.snapshot import Snapshot, decode
from support.interpreters import Interpreter
from support.targets import TARGETS, Target
from support.waiting import PATIENCE, wait_for

PAYLOADS = TARGETS.parent.parent / "payloads"


def prepare(session: Path) -> None:
    """Write the file that the bootstrap line executes into a session folder, as covattach does."""
    compiled = session / "payloads" / "compiled"
    content = compiled.read_bytes() if compiled.exists() else None
    (session / BEGIN).write_bytes(first(content))


def compile_for(interpreter: Interpreter, session: Path) -> None:
    """Write compiled payloads into a session folder, and no source but that of bootstrap.py."""
    sources = {name: text_of(PAYLOADS, name) for name in (*FIRST, *MODULES)}
    code = compiled_by(Path(interpreter.python), sources)
    assert code is not None
    (session / "payloads").mkdir()
    (session / "payloads" / "compiled").write_bytes(code)
    (session / "payloads" / "bootstrap.py").write_text((PAYLOADS / "bootstrap.py").read_text())


class Inside:
    """A session in a target, from the launch of the agent to its end."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.path = Path(tempfile.mkdtemp(prefix="payloads-", dir="/tmp"))

    def __enter__(self) -> Inside:
        """Launch the agent, and wait until it listens."""
        self.execute()
        wait_for(self.is_ready, "the agent listens")
        self.target.line("answer ")
        return self

    def execute(self) -> None:
        """Have the target execute the bootstrap line."""
        self.prepare()
        self.target.tell(f"exec({bootstrap_line(str(self.path)).decode()!r})")

    def prepare(self) -> None:
        """Write the files that an agent needs at its start into the session folder."""
        if not (self.path / "payloads").exists():
            (self.path / "payloads").symlink_to(PAYLOADS)
        facts = {"pid": self.target.pid, "start_time": self.target.start_time}
        (self.path / "session.json").write_text(json.dumps(facts))
        (self.path / "token").touch()
        prepare(self.path)

    def __exit__(self, *_: object) -> None:
        """Remove the session folder; the agent ends if it was not started, or with its target."""
        self.remove()

    def remove(self) -> None:
        """Remove the session folder."""
        shutil.rmtree(self.path, ignore_errors=True)

    def is_ready(self) -> bool:
        """Whether the agent listens; fails if it could not be loaded."""
        fault = self.path / "fault"
        assert not fault.exists(), fault.read_text()
        assert self.target.popen.poll() is None, "the target has died"
        return bool(agent_client.answers(SessionFolder(self.path, str(self.path)), 5.0))

    def ask(self, verb: str, **arguments: Any) -> tuple[dict[str, Any], bytes]:
        """Send a request to the agent, as covattach does; return the reply's header and blob."""
        deadline = time.monotonic() + PATIENCE
        return agent_client.ask(
            SessionFolder(self.path, str(self.path)), verb, deadline, **arguments
        )

    def start(self, core: str | None = None, **settings: Any) -> dict[str, Any]:
        """Start to measure, with `settings` of coverage's section [run]; return the facts."""
        named = {"run:" + name: value for name, value in settings.items()}
        return self.ask("start", options={"core": core, "settings": named})[0]

    def dump(self, **arguments: Any) -> Snapshot:
        """Return a snapshot; `arguments` are further fields of the request."""
        return decode(*self.ask("dump", **arguments))

    def stop(self) -> Snapshot:
        """End the session; return its last snapshot."""
        return decode(*self.ask("stop"))

    def points(self, script: str) -> set[Any]:
        """Return the lines, or arcs, of a file in tests/targets that were executed."""
        return set(self.dump().files.get(str(TARGETS / script), ()))

    def points_until(self, script: str, expected: set[Any]) -> set[Any]:
        """Dump until a file of tests/targets has the lines, or arcs, `expected`; return all found.

        After PATIENCE / 3 seconds, this returns the last ones found, without all those expected.
        """
        found: set[Any] = set()
        deadline = time.monotonic() + PATIENCE / 3
        while not found >= expected and time.monotonic() < deadline:
            found = self.points(script)
        return found
