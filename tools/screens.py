"""Make docs/screens.md and docs/screens/: the screens of commands, as a terminal shows them.

Each screen is captured from a real terminal (tmux), 80 and 160 columns wide, beside the sample
server of `covattach demo`.  It happens in namespaces of its own (unshare(1), as root), so that no
other process or session of this machine is seen.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.request import urlopen

from pictures import DOCS, draw
from terminal import Terminal

from covattach.commands import demo_server

WIDTHS = (80, 160)
PORT = "8000"  # shown in the place of the one that was free
COLOURS = re.compile(r"\x1b\[[\d;]*m")
PATHS = ("price/tea", "order/tea", "price/milk")
SCREENS = {
    "ps": "Which Python processes there are: one is measured, one is suspended.",
    "doctor": "What this machine allows.",
    "doctor-pid": "What an attach to a process needs, here to the one that is suspended.",
    "start": "Attaching, in order to measure.",
    "status": "The sessions of this host.",
    "dump": "A report of what ran so far, and its short table.",
    "stop": "The last report, and the end.",
    "tree": "A server with two workers, all of it.",
    "status-tree": "The sessions of such a tree.",
    "record": "What ran while a request was answered, in a process that nobody measured.",
    "session": "The same in a session that had seen another request: what is new has a `*`.",
    "diff": "What ran in one of two windows only.",
    "trace": "Function calls as they happen.",
    "trace-more": "With arguments, and how the calls end.",
    "trace-busy": "A program that does nothing but call, and what is left out of it; `grep` shows a"
    " few of the lines, and ends the trace by closing the pipe.",
    "run": "A program that is started measured.",
    "errors": "What goes wrong is one sentence, and one that says what to do.",
}
HEAD = """\
# Screens

What the commands show, captured from a terminal by `tools/screens.py`, beside the sample server of
`covattach demo`: once 80 columns wide and once 160, so that PIDs and times are not the same. Here
without the colours, which the pictures of the same screens have. What each word means:
[record.md](record.md), [trace.md](trace.md), [commands.md](commands.md).
"""
WORKERS = """\
import os
import shop

for _ in range(2):
    if os.fork() == 0:
        shop.main()
os.wait()
"""
BUSY = """\
def step(number):
    return number + 1

print(0, flush=True)
while True:
    step(1)
"""
JOB = """\
from shop import order, price

print(price("tea"), order("coffee"))
"""


class Server:
    """A sample server, run from the file `name` in a folder; it prints its port first."""

    def __init__(self, folder: Path, name: str) -> None:
        words = [sys.executable, name]
        self.popen = subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, text=True)
        assert self.popen.stdout is not None
        self.pid = self.popen.pid
        self.port = self.popen.stdout.readline().strip()

    def visit(self, *paths: str) -> None:
        """Send the server requests for these paths."""
        for path in paths:
            with urlopen(f"http://127.0.0.1:{self.port}/{path}", timeout=10) as answer:
                answer.read()

    def end(self) -> None:
        """Kill the server, also if it is stopped."""
        self.popen.kill()
        self.popen.wait()


def capture(folder: Path, columns: int) -> dict[str, str]:
    """Return the text of all screens by name, with colours, from a terminal `columns` wide."""
    terminal = Terminal(folder, columns)
    server, other, third = (Server(folder, name) for name in ("shop.py", "cart.py", "mail.py"))
    try:
        os.kill(third.pid, signal.SIGSTOP)
        pid = server.pid
        found = of_one(terminal, server)
        covattach("start", other.pid)
        found["ps"] = terminal.typed("covattach ps")
        found["doctor"] = terminal.typed("covattach doctor")
        found["doctor-pid"] = terminal.typed(f"covattach doctor {third.pid}")
        found["run"] = terminal.typed("covattach run -- python job.py")
        wrong = (f"start {third.pid}", f"dump {pid}", "start 4711", f"record {pid} -- crul")
        found["errors"] = terminal.typed(*(f"covattach {words}" for words in wrong))
        covattach("stop", other.pid, "--no-dump")
    finally:
        for one in (server, other, third):
            one.end()
    found.update(of_tree(terminal))
    busy = Server(folder, "busy.py")
    found["trace-busy"] = terminal.typed(
        f"covattach trace {busy.pid} --for 1s | grep -m 1 -B 2 -A 2 paused"
    )
    busy.end()
    return {name: anywhere(text, folder, server.port) for name, text in found.items()}


def anywhere(text: str, folder: Path, port: str) -> str:
    """Return the text of a screen without the paths, the port and the release of this machine."""
    for mine, usual in (
        (str(folder), "~/shop"),
        (f":{port}", f":{PORT}"),
        (str(Path(sys.prefix)), "~/venv"),
        (str(Path.home()), "~"),
        (os.uname().release, ".".join(os.uname().release.split(".")[:2])),
    ):
        text = text.replace(mine, usual)
    return text


def of_one(terminal: Terminal, server: Server) -> dict[str, str]:
    """Return the screens for which one process is measured."""
    pid = server.pid
    curl = f"covattach record {pid} -- curl -s localhost:{server.port}"
    trace = f"covattach trace {pid} --include shop.py --limit"
    found = {
        "record": terminal.typed(f"{curl}/price/tea"),
        "trace": terminal.typed(f"{trace} 8", during=lambda: server.visit(*PATHS)),
        "trace-more": terminal.typed(
            f"{trace} 4 --args --returns", during=lambda: server.visit(*PATHS)
        ),
        "start": terminal.typed(f"covattach start {pid}"),
    }
    server.visit("price/milk")
    terminal.typed(f"{curl}/price/tea")
    found["session"] = terminal.typed(f"{curl}/order/tea")
    found["diff"] = terminal.typed(f"covattach record {pid} --diff record-1 record-2")
    covattach("mark", pid, "checkout")
    found["status"] = terminal.typed("covattach status")
    found["dump"] = terminal.typed(f"covattach dump {pid}")
    found["stop"] = terminal.typed(f"covattach stop {pid}")
    return found


def of_tree(terminal: Terminal) -> dict[str, str]:
    """Return the screens for which a server with workers is measured."""
    server = Server(terminal.folder, "workers.py")
    try:
        found = {"tree": terminal.typed(f"covattach start {server.pid} --tree")}
        server.visit(*PATHS)
        found["status-tree"] = terminal.typed("covattach status")
        found["tree"] += terminal.typed(f"covattach stop {server.pid}")
        return found
    finally:
        below = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
        server.end()
        for pid in below:
            os.kill(int(pid), signal.SIGKILL)


def covattach(*words: object) -> None:
    """Run a command of covattach whose output is not shown."""
    command = [sys.executable, "-m", "covattach", *map(str, words)]
    subprocess.run(command, check=True, capture_output=True)


def make(folder: Path) -> None:
    """Write docs/screens.md, and the pictures in docs/screens/."""
    pictures = DOCS / "screens"
    pictures.mkdir(exist_ok=True)
    page = [HEAD]
    found = {columns: capture(folder, columns) for columns in WIDTHS}
    for name, title in SCREENS.items():
        page.append(f"## {name}\n\n{title}\n")
        for columns in WIDTHS:
            picture = pictures / f"{name}-{columns}.svg"
            draw(found[columns][name], picture, columns)
            page.append(f"```\n{COLOURS.sub('', found[columns][name])}```\n")
        places = ", ".join(
            f"[{columns} columns](screens/{name}-{columns}.svg)" for columns in WIDTHS
        )
        page.append(f"With colours: {places}.\n")
    text = re.sub(r"[ \t]+$", "", "\n".join(page), flags=re.M)
    (DOCS / "screens.md").write_text(text, encoding="utf-8")


def main() -> None:
    """Enter new namespaces, and make the screens there."""
    if "--inside" not in sys.argv:
        words = ["unshare", "--pid", "--fork", "--mount-proc", "--mount"]
        script = 'mount -t tmpfs tmpfs /tmp && exec "$0" "$@" --inside'
        words += ["sh", "-c", script, sys.executable, "tools/screens.py"]
        sys.exit(subprocess.call(words, cwd=DOCS.parent))
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for name in ("COLUMNS", "LINES", "NO_COLOR", "PYTHONUNBUFFERED"):
        os.environ.pop(name, None)
    os.environ["TERM"] = "xterm-256color"
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "shop")
        folder.mkdir()
        for name in ("shop.py", "cart.py", "mail.py"):
            shutil.copy(demo_server.__file__, folder / name)
        (folder / "workers.py").write_text(WORKERS)
        (folder / "job.py").write_text(JOB)
        (folder / "busy.py").write_text(BUSY)
        make(folder)


if __name__ == "__main__":
    main()
