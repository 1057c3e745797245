"""The process that runs a benchmark for `bench/overhead.py`, controlled from outside."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

from coverage import CoverageData

from bench.places import ROOT, Interpreter, extra_site
from bench.variants import FOLDER, PROGRAM, Variant, source

START_UP = 120.0  # seconds for it to run, and to end by itself; a quiet machine needs one
ANSWER = 120.0  # seconds for a sample; a quiet machine needs half of one for the slowest
COMMAND = 120.0  # seconds for a command of covattach; a quiet machine needs one
UNDOING = 40.0  # seconds for a command that is interrupted: it takes back what it has begun


class Failed(Exception):
    """The subject, or the tool that measures it, failed, or took too long."""


class Subject:
    """A process of one variant, which runs its benchmark when it is told to.

    `fault` says why it is left out, or is "".  `lines` is how many lines are in the data from
    measuring it, and `core` is the one of coverage's cores that covattach took.
    """

    def __init__(self, variant: Variant, benchmark: str, on: Interpreter, folder: Path) -> None:
        """Note the variant and benchmark to run; `folder` is for its files."""
        self.variant, self.benchmark, self.on, self.folder = variant, benchmark, on, folder
        self.source = source(benchmark, on)
        name = f"{variant.name} {variant.what}"
        self.log, self.data = folder / f"{name}.log", folder / f"{name}.data"
        self.fault = self.core = ""
        self.lines = 0
        self.popen: subprocess.Popen[bytes] | None = None
        self.session: Path | None = None
        self.heard = b""

    def start(self) -> None:
        """Start the process; raises Failed if a package that it needs cannot be installed."""
        sites = [self.on.site]
        words = [word.format(self.data) for word in self.variant.words]
        if words:
            words += [f"--source={self.source}", *(["--branch"] if self.variant.branch else [])]
        for package in self.variant.needs:
            try:
                sites.append(extra_site(self.on, package))
            except subprocess.SubprocessError as error:
                raise Failed(f"{package} is not to be had: {error}") from None
        with self.log.open("wb") as log:
            self.popen = subprocess.Popen(
                [self.on.python, *words, str(PROGRAM), self.benchmark, str(FOLDER)],
                # The order of sets differs between processes otherwise, and with it the work.
                env={
                    "PATH": "/usr/bin:/bin",
                    "PYTHONPATH": ":".join(sites),
                    "PYTHONHASHSEED": "0",
                },
                cwd=self.folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # a Ctrl-C is for the bench, which ends it
            )

    def wait(self) -> None:
        """Wait until the process is in its loop."""
        self.answer(START_UP)

    def sample(self, count: int) -> float:
        """Run the benchmark `count` times; return the seconds of CPU that it took."""
        assert self.popen
        assert self.popen.stdin
        try:
            self.popen.stdin.write(b"%d\n" % count)
            self.popen.stdin.flush()
        except OSError as error:
            raise Failed(f"it has ended ({error}): {self.said()}") from None
        return float(self.answer(ANSWER))

    def answer(self, seconds: float) -> bytes:
        """Return the next line that the process prints; raises Failed after so many seconds."""
        assert self.popen
        assert self.popen.stdout
        deadline = time.monotonic() + seconds
        while b"\n" not in self.heard:
            left = max(0.0, deadline - time.monotonic())
            if not select.select([self.popen.stdout], [], [], left)[0]:
                raise Failed(f"it said nothing for {seconds:g} s")
            more = os.read(self.popen.stdout.fileno(), 4096)
            if not more:
                raise Failed(f"it has ended: {self.said()}")
            self.heard += more
        line, _, self.heard = self.heard.partition(b"\n")
        return line

    def said(self) -> str:
        """Return the end of the process's standard error."""
        return self.log.read_text(errors="replace")[-1000:].strip()

    def attach(self) -> None:
        """Have covattach measure the process."""
        branch = "--branch" if self.variant.branch else "--no-branch"
        facts = json.loads(self.covattach("start", "--json", branch, f"--source={self.source}"))
        self.session, self.core = Path(facts["socket"]).parent, facts["core"]

    def detach(self) -> None:
        """Have covattach stop measuring, and count the lines that were measured."""
        # 1: no report could be made, of no lines for example.
        self.covattach("stop", "--no-html", f"--data-file={self.data}", well=(0, 1))
        self.session = None
        self.lines = lines_in(self.data)

    def finish(self) -> None:
        """Let the process end by itself, so that its tool writes the data; count its lines."""
        assert self.popen
        assert self.popen.stdin
        with contextlib.suppress(BrokenPipeError):
            self.popen.stdin.close()
        try:
            self.popen.wait(START_UP)
        except subprocess.TimeoutExpired:
            raise Failed(f"it did not end in {START_UP:.0f} s") from None
        self.lines = lines_in(self.data)

    def covattach(self, *words: str, well: tuple[int, ...] = (0,)) -> str:
        """Run a command of covattach on the process; return its output.

        Raises Failed, also for an exit code that is not in `well`.
        """
        assert self.popen
        popen = subprocess.Popen(
            [sys.executable, "-m", "covattach", *words, str(self.popen.pid)],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            out, err = popen.communicate(timeout=COMMAND)
        except subprocess.TimeoutExpired:
            raise Failed(f"covattach {words[0]} took more than {COMMAND:.0f} s") from None
        finally:
            if popen.poll() is None:  # also after Ctrl-C
                popen.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    popen.communicate(timeout=UNDOING)
                popen.kill()
                popen.communicate()
        if popen.returncode not in well:
            raise Failed(f"covattach {words[0]} failed: {err.strip()[-1000:]}")
        return out

    def end(self) -> None:
        """Kill the process in any state, and remove the session folder if there is one."""
        if self.popen:
            self.popen.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(UNDOING)
            for pipe in (self.popen.stdin, self.popen.stdout):
                with contextlib.suppress(BrokenPipeError):  # an order that it never read
                    assert pipe
                    pipe.close()
        if self.session:
            shutil.rmtree(self.session, ignore_errors=True)


def lines_in(data: Path) -> int:
    """Return how many executed lines are in a data file of coverage's or SlipCover's."""
    if not data.exists():
        return 0
    with data.open("rb") as file:
        is_json = file.read(1) == b"{"
    if is_json:
        files = json.loads(data.read_text())["files"]
        return sum(len(one["executed_lines"]) for one in files.values())
    read = CoverageData(str(data))
    read.read()
    return sum(len(read.lines(name) or ()) for name in read.measured_files())
