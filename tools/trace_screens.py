"""Make the screens of docs/trace.md: trace-80.svg, trace-120.svg and trace-plain.txt in docs/.

They are real: the sample server of `covattach demo` is traced while it is sent requests, in a
terminal of that width, and for the third in a pipe.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.request import urlopen

from pictures import DOCS, draw

from covattach import sample

PATHS = ("price/tea", "order/tea", "price/milk")
PROGRESS = (r"\x1b\[\?25[lh]", r"[^\n]*(\n\r?\x1b\[1A)?\r?\x1b\[2K")  # what was erased again


@contextmanager
def server(folder: Path) -> Iterator[tuple[int, int]]:
    """Run the sample server; yields its PID and its port."""
    shutil.copy(sample.__file__, folder / "shop.py")
    words = [sys.executable, "shop.py"]
    with subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, text=True) as popen:
        try:
            assert popen.stdout is not None
            yield popen.pid, int(popen.stdout.readline())
        finally:
            popen.terminate()


def traced(options: list[str], columns: int | None) -> str:
    """Trace the server while it answers; return what was printed, on a terminal or in a pipe."""
    with tempfile.TemporaryDirectory() as name, server(Path(name)) as (pid, port):
        ours, theirs = pty.openpty() if columns else os.pipe()
        if columns:
            fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 40, columns, 0, 0))
        words = [sys.executable, "-m", "covattach", "trace", str(pid), *options]
        popen = subprocess.Popen(words, stdout=theirs, stderr=theirs, stdin=subprocess.DEVNULL)
        os.close(theirs)
        printed, asked = b"", False
        with suppress(OSError):  # the end of a terminal is an error on Linux
            while part := os.read(ours, 65536):
                printed += part
                if b"until Ctrl-C" in printed and not asked:
                    asked = True
                    ask(port)
        os.close(ours)
        if popen.wait():
            sys.exit(printed.decode())
    text = printed.decode().replace("\r\n", "\n")
    for pattern in PROGRESS:
        text = re.sub(pattern, "", text)
    shown = " ".join(f"'{word}'" if "*" in word else word for word in options)
    return f"$ covattach trace {pid} {shown}\n{text}"


def ask(port: int) -> None:
    """Send the server some requests."""
    for path in PATHS:
        with urlopen(f"http://127.0.0.1:{port}/{path}", timeout=10) as answer:
            answer.read()


def main() -> None:
    """Make the three screens."""
    shop = ["--include", "shop.py"]
    draw(traced([*shop, "--limit", "8"], 80), DOCS / "trace-80.svg", 80)
    details = [*shop, "--omit", "*/http/*", "--args", "--returns", "--limit", "8"]
    draw(traced(details, 120), DOCS / "trace-120.svg", 120)
    plain = traced([*shop, "--function", "order", "--function", "price", "--limit", "3"], None)
    (DOCS / "trace-plain.txt").write_text(plain, encoding="utf-8")


if __name__ == "__main__":
    main()
