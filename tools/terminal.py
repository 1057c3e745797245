"""Terminals (tmux) of a given width, in which commands run, and whose screens can be read."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

HEIGHT = 80


class Terminal:
    """Runs commands in a new tmux terminal each time, `columns` wide, in a folder."""

    def __init__(self, folder: Path, columns: int) -> None:
        self.folder = folder
        self.columns = columns
        self.count = 0

    def typed(self, *commands: str, during: Callable[[], None] | None = None) -> str:
        """Run commands; return the screen as text with colours: each prompt line, and the output.

        `during` is called once the text "Tracing" is shown.
        """
        self.count += 1
        name = f"screens-{self.columns}-{self.count}"
        tmux = ["tmux", "-L", name, "-f", "/dev/null"]
        script = self.folder.parent / "screen.sh"
        script.write_text(
            f"cd {self.folder}\n"
            + "".join(f"cat <<'END'\n$ {command}\nEND\n{command}\n" for command in commands)
            + "tmux wait-for -S done\nexec sleep 1000\n"
        )
        size = ["-x", str(self.columns), "-y", str(HEIGHT)]
        subprocess.run([*tmux, "new-session", "-d", *size, "sh", script], check=True)
        try:
            if during is not None:
                while "Tracing" not in shown(tmux):
                    time.sleep(0.1)
                during()
            subprocess.run([*tmux, "wait-for", "done"], check=True, timeout=60)
            return shown(tmux, "-e").rstrip() + "\n"
        finally:
            subprocess.run([*tmux, "kill-server"], check=True)


def shown(tmux: list[str], *options: str) -> str:
    """Return the text on the screen of a terminal; `tmux` is the command that reaches it."""
    words = [*tmux, "capture-pane", "-p", *options]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout
