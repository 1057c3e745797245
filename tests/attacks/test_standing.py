"""A process that becomes another program, or another user, while root gets into it.

What is executed in it comes from a folder of the user that it was: so that must be who it is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from covattach.payloads.server.protocol import PROTOCOL
from support.command import Covattach
from support.interpreters import Interpreter, interpreters, newest
from support.targets import TARGETS, Launch, Target
from support.users import OTHER, PYTHON, Users, several_users
from support.waiting import wait_for

from covattach.errors import NotNow
from covattach.process.memory import open_memory
from covattach.process.process import Process

ROOTS = "import time\nwhile True: time.sleep(0.005)"
# Its process executes a program by which it is root, as sudo is, when there is a session's folder
# of its user's; its child puts its own lines into the folder.
ATTACKER = """
import glob, os, time
os.setgroups([]); os.setresgid({uid}, {uid}, {uid}); os.setresuid({uid}, {uid}, {uid})
old = set(glob.glob("/tmp/covattach-*"))
def new():
    while not (found := set(glob.glob("/tmp/covattach-*")) - old):
        time.sleep(0.0005)
    return found
def replace(path):
    if os.path.exists(path):
        with open(path + "-other", "w") as file:
            file.write("import os; os.geteuid() or os.mkdir({mark!r})")
        os.rename(path + "-other", path)
if os.fork() == 0:
    folders, end = new(), time.time() + 2
    while time.time() < end:
        for path in [folder + name for folder in folders for name in ("/launch", "/begin")]:
            try:
                replace(path)
            except OSError:
                continue
    os._exit(0)
os.write(1, b"ready\\n")
new()
os.execv({program!r}, [{program!r}, "--reuid", "0", "--regid", "0", "--clear-groups", *{words!r}])
"""


@pytest.fixture
def users() -> Iterator[Users]:
    """Give other users."""
    with several_users() as found:
        yield found


def test_a_target_that_becomes_roots_program(users: Users, covattach: Covattach) -> None:
    """By `sudo`, say: nothing of its user's is executed in that, though it has the same PID."""
    mark, program = users.folder / "mark", users.folder / "sudo"
    shutil.copy("/usr/bin/setpriv", program)
    program.chmod(0o4755)
    # As Debian builds it, at a fixed address: what was found in the one is there in the other.
    python = next(one.python for one in interpreters() if one.minor == (3, 14))
    words = [python, "-I", "-S", "-c", ROOTS]
    source = ATTACKER.format(uid=OTHER, mark=str(mark), program=str(program), words=words)
    with subprocess.Popen([python, "-c", source], stdout=subprocess.PIPE) as popen:
        try:
            assert popen.stdout is not None
            assert popen.stdout.readline() == b"ready\n"
            covattach.run("start", popen.pid, "--timeout", "5")
            assert not mark.exists(), "its user's lines were executed by root"
            assert popen.poll() is None, "root's program was harmed"
        finally:
            popen.kill()


@pytest.mark.pythons("3.11", "3.14")
def test_what_was_looked_at_is_gone(interpreter: Interpreter, launch: Launch) -> None:
    """A process that has become another user is not injected into, another program not touched."""
    target = launch(interpreter, "dropping.py")
    process = Process(target.pid)
    with open_memory(process, to_inject=True):
        target.ask(f"drop({OTHER}, 0)")
    with open_memory(process), pytest.raises(NotNow, match="another user"):
        open_memory(process, to_inject=True).__enter__()

    words = ["/bin/sleep", "1000"]
    target.tell(f"os.execv({words[0]!r}, {words})")
    wait_for(lambda: process.name == "sleep", "the other program")
    with pytest.raises(NotNow, match="another program"):
        open_memory(process).__enter__()


@pytest.mark.parametrize("dropped", ["user", "group"])
def test_another_user_for_a_while(dropped: str, launch: Launch, covattach: Covattach) -> None:
    """Root's server in a user's name is not given lines that this user can change."""
    target = launch(newest("3.11"), "dropping.py")
    before = target.traces()
    kept = (0, OTHER) if dropped == "user" else (OTHER, 0)
    ids = f"os.setresgid({OTHER}, {OTHER}, {kept[1]}), os.setresuid({OTHER}, {OTHER}, {kept[0]})"
    target.ask(f"(os.setgroups([]), {ids})")
    assert f"and {dropped} 0 as well" in covattach.fails(5, "start", target.pid)
    assert f"and {dropped} 0 as well" in covattach.fails(5, "trace", target.pid, "--for", "1s")
    assert target.traces() == before


@pytest.mark.parametrize(("capability", "code"), [("setuid", 4), ("net_bind_service", 0)])
def test_more_rights_than_its_user(
    capability: str, code: int, users: Users, covattach: Covattach
) -> None:
    """Capabilities by which one is as good as root are nothing for its user to have lines run with.

    Those that are over nobody else's things are no obstacle.
    """
    shutil.copy(TARGETS / "answering.py", users.folder)
    script = shutil.copy(TARGETS / "idle.py", users.folder)
    caps = ("--inh-caps", f"+{capability}", "--ambient-caps", f"+{capability}")
    ids = ("--reuid", str(OTHER), "--regid", str(OTHER), "--clear-groups")
    words = ["/usr/bin/setpriv", *ids, *caps, PYTHON, script, "sleep"]
    target = Target(words, users.folder)
    try:
        target.line("ready")
        assert covattach.run("start", target.pid, "--trust-seccomp").code == code
        if not code:
            covattach("stop", target.pid, "--no-dump")
        assert not target.folders
    finally:
        target.close()


def test_pyrasite_and_another_users_process(users: Users, covattach: Covattach) -> None:
    """Pyrasite is refused for another user's process: it cannot tell who has the PID by then."""
    liar = users.lying(OTHER)
    said = covattach.fails(4, "start", liar.pid, "--method", "pyrasite")
    assert "pyrasite cannot tell" in said


ASKING = f"""
import socket, sys
found = socket.socket(socket.AF_UNIX)
found.connect(sys.argv[1])
try:
    found.sendall(b'{{"protocol": {PROTOCOL}, "verb": "status"}}\\n')
    print(len(found.recv(100)))
except ConnectionError:
    print(0)
"""


def test_a_child_of_a_while(launch: Launch, covattach: Covattach) -> None:
    """A child born under a user's name, which may be root again, refuses that user's requests."""
    target = launch(newest("3.11"), "dropping.py")
    covattach("start", target.pid, "--tree")
    target.ask(f"drop({OTHER}, 0)")
    child = target.ask("os.fork() or [threading.Event().wait(), os._exit(0)]")
    (folder,) = target.folders

    def opened() -> list[str]:
        doors = [str(path) for path in folder.parent.glob(f"{folder.name}-*/agent.sock")]
        return [path for path in doors if os.stat(path).st_uid == OTHER]

    (door,) = wait_for(opened, "its door")
    asked = subprocess.run(
        [PYTHON, "-c", ASKING, door],
        user=OTHER,
        group=OTHER,
        extra_groups=[],
        capture_output=True,
        check=True,
    )
    assert asked.stdout == b"0\n"
    target.ask("os.seteuid(0)")
    covattach("dump", target.pid, "--no-html", "--json", "--data-file", covattach.folder / "data")
    covattach("stop", target.pid, "--no-dump")
    os.kill(child, 9)
