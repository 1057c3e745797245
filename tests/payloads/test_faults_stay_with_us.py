"""Faults of coverage or of ours, in a thread of the application, do not come up there."""

from __future__ import annotations

import pytest
from support.inside import Inside
from support.interpreters import Interpreter
from support.marks import marked
from support.targets import Launch

RAN = marked("comings.py", "# first", "# pool", "# new")
NEW_FILE = "exec(compile('for n in range(3): n + 1', '/new/file{}.py', 'exec'), {{}})"


@pytest.mark.pythons("3.11", "3.14", stress=("3.9", "3.13"))
def test_anything_on_the_path(interpreter: Interpreter, launch: Launch) -> None:
    """Entries of `sys.path` that coverage cannot use disturb nobody, at once or later."""
    # GIVEN a target with such entries on its path
    target = launch(interpreter, "comings.py")
    target.ask("sys.path.extend([None, 7, b'bytes'])")
    with Inside(target) as agent:
        # WHEN it is measured, and the path changes, THEN new files are measured as ever
        agent.start()
        target.ask("sys.path.append(None)")
        assert target.ask(NEW_FILE.format(1)) is None
        assert target.ask("work()") == []
        assert agent.points_until("comings.py", RAN) >= RAN
        assert "/new/file1.py" in agent.dump().files
        assert agent.ask("dump")[0]["warnings"] == []
        agent.stop()


@pytest.mark.pythons("3.11", "3.14", stress=("3.9", "3.13"))
@pytest.mark.parametrize(
    "broken", ["json.loads('x')", "(_ for _ in ()).throw(ValueError('a bug'))", "[].pop()"]
)
def test_coverage_fails(interpreter: Interpreter, broken: str, launch: Launch) -> None:
    """A fault of coverage's, or of the library that it calls, is told to the user alone."""
    # GIVEN a target that is measured
    target = launch(interpreter, "comings.py")
    with Inside(target) as agent:
        agent.start()
        # WHEN coverage fails at a new file
        place = "sys.modules['coverage.inorout']"
        target.ask(f"setattr({place}, 'usual', {place}.canonical_filename)")
        fails = f"lambda name: {broken} if 'new' in name else {place}.usual(name)"
        names = "{'sys': sys, 'json': __import__('json')}"
        target.ask(f"setattr({place}, 'canonical_filename', eval({fails!r}, {names}))")
        # THEN the application goes on, and a dump tells of it
        assert target.ask(NEW_FILE.format(2)) is None
        assert target.ask("work()") == []
        assert "coverage has failed" in "".join(agent.ask("dump")[0]["warnings"])
        assert agent.points_until("comings.py", RAN) >= RAN
        target.ask(f"setattr({place}, 'canonical_filename', {place}.usual)")
        agent.stop()


@pytest.mark.pythons("3.10", "3.11")
def test_threads_under_an_audit_hook(interpreter: Interpreter, launch: Launch) -> None:
    """Threads begin, however many at a time, where Python code looks at each trace function."""
    # GIVEN a target with an audit hook in Python, which takes its time
    target = launch(interpreter, "comings.py")
    target.ask(
        "sys.addaudithook(lambda name, _: sum(range(2000)) if name == 'sys.settrace' else None)"
    )
    target.ask("sys.setswitchinterval(1e-5)")
    with Inside(target) as agent:
        # WHEN it is measured, and threads begin side by side
        agent.start("ctrace")
        assert target.ask("crowd(200)") == []
        # THEN all of them have run, and all that they ran is measured
        assert target.ask("work()") == []
        assert agent.points_until("comings.py", RAN) >= RAN
        agent.stop()
    assert target.ask("crowd(200)") == []


@pytest.mark.pythons("3.9", "3.14")
def test_sources_are_found_without_an_import(interpreter: Interpreter, launch: Launch) -> None:
    """Modules named by `--source` are not imported, and those of others stay imported."""
    # GIVEN a target that has not imported a package, WHEN a module of it is to be measured
    target = launch(interpreter, "comings.py")
    before = set(target.ask("list(sys.modules)"))
    with Inside(target) as agent:
        agent.start(source=["xml.etree.ElementTree", "comings"])
        # THEN nothing of it is imported, and the application's own import is measured
        new = set(target.ask("list(sys.modules)")) - before
        assert not [name for name in new if name.startswith(("xml", "comings"))]
        target.ask("__import__('xml.etree.ElementTree') and None")
        files = agent.dump().files
        assert any(name.endswith("xml/etree/ElementTree.py") for name in files)
        agent.stop()
