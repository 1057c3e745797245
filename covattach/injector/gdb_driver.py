"""A gdb that is driven over its command line: one command, one answer, a deadline.

gdb loads no symbols: it needs none to set a register.  Looking for them would keep the target
stopped for a quarter of a second.  Nor is gdb's machine interface used: it writes one byte at a
time, with the target stopped.  gdb runs in a session (setsid(2)) of its own: a Ctrl-C meant for us
does not reach it.  If we are killed, gdb reads the end of its input, detaches, and ends.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType

from covattach.budget import confine_program
from covattach.errors import NotPossible
from covattach.injector.gdb_settings import OPTIONS, SETTINGS, environment
from covattach.injector.gdb_signals import blocked_signals, wake

# What is left out of the transcript: our own marks, and the table of signals.
NOISE = ("@", "SIG", "EXC", "Signal  ")
GRACE = 3.0  # seconds for gdb to detach by itself before it is made to


class GdbError(Exception):
    """gdb refused a command; the text is gdb's."""


class GdbTimeout(Exception):
    """gdb did not answer in time."""


class Gdb:
    """A gdb process; a context manager that leaves the target detached and running."""

    def __init__(self, description: Path | None) -> None:
        """Start gdb; `description` is the file of a target description, or None for gdb's own.

        Raises NotPossible where there is no gdb.
        """
        program = shutil.which("gdb")
        if program is None:
            raise NotPossible(
                "There is no gdb on this machine's PATH, and this target needs it.",
                "Install it: `apt install gdb`, or `dnf install gdb`.",
            )
        self.transcript: list[str] = []
        self.warmed_up: list[subprocess.Popen[bytes]] = []
        self.token = 0
        self.pending = b""
        self.attached = 0
        options = [part for option in OPTIONS for part in ("-iex", option)]
        with blocked_signals():
            self.popen = subprocess.Popen(
                [program, "-nx", "-nh", "-q", *options],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=environment(),
                cwd="/",
            )
        self.description = description

    def __enter__(self) -> Gdb:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def prepare(self, deadline: float) -> None:
        """Send the settings; nothing is attached to yet, so this takes none of the target's time.

        `deadline`, here and below, is a time of `time.monotonic`.
        """
        for setting in SETTINGS:
            self.command(setting, deadline)
        if self.description is not None:
            self.command(f"set tdesc filename {self.description}", deadline)
        self.warm_up(deadline)
        confine_program(self.popen.pid)  # in case a target makes it read more

    def warm_up(self, deadline: float) -> None:
        """Attach to a process of ours, and detach: gdb does much only the first time.

        Else it would do that with the target stopped.  It forks to see what ptrace can do (6 ms),
        and touches its memory for the first time.
        """
        nowhere = subprocess.DEVNULL  # it is to hold no pipe of ours open if we are killed
        process = subprocess.Popen(["sleep", "10"], stdout=nowhere, stderr=nowhere)
        try:
            self.attach(process.pid, deadline)
            self.detach(deadline)
        except GdbError as error:  # not allowed, perhaps: the target's own attach will tell
            self.transcript.append(f"(no attach to a process of ours: {error})")
        finally:
            self.attached = 0
            process.kill()
            self.warmed_up.append(process)

    def command(self, text: str, deadline: float) -> list[str]:
        """Send one command, or several as lines of `text`, and return the lines printed.

        gdb has read all lines before it executes the first; an error skips the rest.  Raises
        GdbError, GdbTimeout.
        """
        self.token += 1
        done, end = f"@{self.token} done", f"@{self.token} end"
        self.transcript.append(f"> {text}")
        # An error leaves the block, so that `done` is not printed.
        self.write(f"if 1\n{text}\necho \\n{done}\\n\nend\necho \\n{end}\\n\n")
        lines: list[str] = []
        while True:
            line = self.read_line(deadline)
            if line == end:
                raise GdbError("\n".join(lines))
            if line == done:
                break
            lines.append(line)
        while self.read_line(deadline) != end:
            continue
        return lines

    def write(self, text: str) -> None:
        """Write to gdb's standard input; raises GdbError where gdb has ended."""
        assert self.popen.stdin is not None
        try:
            self.popen.stdin.write(text.encode())
            self.popen.stdin.flush()
        except OSError as error:
            raise GdbError("gdb has ended") from error

    def read_line(self, deadline: float) -> str:
        """Return gdb's next line; raises GdbTimeout, or GdbError where gdb has ended."""
        assert self.popen.stdout is not None
        while b"\n" not in self.pending:
            left = max(deadline - time.monotonic(), 0)
            ready, _, _ = select.select([self.popen.stdout], [], [], left)
            if not ready:
                raise GdbTimeout
            part = os.read(self.popen.stdout.fileno(), 65536)
            if not part:
                raise GdbError("gdb has ended")
            self.pending += part
        line, _, self.pending = self.pending.partition(b"\n")
        text = line.decode(errors="replace").lstrip(" >")  # the prompts of a block's lines
        if text and not text.startswith(NOISE):
            self.transcript.append(text)
        return text

    def attach(self, pid: int, deadline: float) -> None:
        """Attach to `pid` and wait until it is stopped."""
        self.attached = pid
        self.command(f"attach {pid}", deadline)

    def select(self, tid: int, deadline: float) -> None:
        """Select thread `tid` for the commands that follow; raises GdbError."""
        lines = self.command(f"thread find LWP {tid}$", deadline)
        found = re.search(r"^Thread (\d+) has target id", "\n".join(lines), re.M)
        if found is None:
            raise GdbError(f"no thread {tid}")
        self.command(f"thread {found[1]}", deadline)

    def value(self, expression: str, deadline: float) -> int:
        """Return the value of a C expression, such as that of a register, as a number."""
        lines = self.command(f"output {expression}", deadline)
        values = [line for line in lines if re.fullmatch(r"-?\d+", line)]
        if not values:
            raise GdbError(f"no value in {lines!r}")
        return int(values[-1])

    def detach(self, deadline: float) -> None:
        """Detach from the target, which runs on."""
        self.command("detach", deadline)
        self.attached = 0

    def close(self) -> None:
        """End gdb, and make sure that the target runs.

        gdb is told to detach.  If a thread of the target waits for a disk and does not stop, gdb
        would wait for it.  Then gdb is killed; that does no harm, as it makes no calls.
        """
        stopped = self.attached
        try:
            self.write("detach\nquit\n")
        except GdbError:
            self.transcript.append("(gdb had ended before it was told to)")
        if not self.ends_within(GRACE):
            os.killpg(self.popen.pid, signal.SIGKILL)
            self.reap(self.popen)
        # Not before: gdb is told first of the end of a process that it traces.
        for process in self.warmed_up:
            self.reap(process)
        if stopped and self.popen.returncode != 0:
            wake(stopped)
        for pipe in (self.popen.stdin, self.popen.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except OSError:
                self.transcript.append("(gdb did not take its last command)")

    def ends_within(self, seconds: float) -> bool:
        """Whether gdb ends within `seconds`; its remaining output goes to the transcript."""
        deadline = time.monotonic() + seconds
        try:
            while True:
                self.read_line(deadline)
        except GdbTimeout:
            return False
        except GdbError:
            return self.reap(self.popen)

    @staticmethod
    def reap(process: subprocess.Popen[bytes]) -> bool:
        """Wait up to GRACE seconds for the end of a process; return whether it has ended."""
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            return False
        return True
