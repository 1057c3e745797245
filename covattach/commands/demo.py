"""`covattach demo`: the whole tool on a sample server, in a few seconds."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from covattach.commands.output import console, say

if TYPE_CHECKING:
    from covattach.reports.destinations import Outputs

EPILOG = """
\b
Example:
  covattach demo --html /tmp/demo
"""


@click.command(epilog=EPILOG)
@click.option(
    "--html",
    type=click.Path(file_okay=False),
    default="covattach-demo",
    show_default=True,
    metavar="DIR",
    help="Write the HTML report into this folder, the only thing that stays.",
)
def demo(html: str) -> None:
    """Start a sample web server, attach, send requests, dump, stop, and clean up."""
    from covattach.files.private_folder import private_folder
    from covattach.reports.destinations import Outputs

    with private_folder("demo-") as temporary:
        outputs = Outputs(temporary / ".coverage", Path(html).absolute())
        outputs.ensure_ours()
        with sample_server(temporary) as (pid, port):
            show(pid, port, outputs)
    say(f"Open {Path(html).absolute() / 'index.html'}")


def show(pid: int, port: int, outputs: Outputs) -> None:
    """Attach, dump and stop as a user would, and print each command as a user would type it."""
    from covattach.attach import attach_process
    from covattach.commands.report_files import make
    from covattach.reports import summary_table

    say(f"$ python shop.py &                  # a threaded web server: process {pid}")
    say(f"$ covattach start {pid} --branch")
    options = attach_process.Options(given={"run:branch": True})
    found, facts = attach_process.start(pid, options, lambda words: None)
    attach_ms, pause_ms = facts["attach_ms"], facts["pause_ms"]
    say(f"  measuring after {attach_ms:.0f} ms, for {pause_ms:.0f} of which the server was paused")
    say("$ curl localhost/price/tea …        # 60 requests; /refund is never asked for")
    visit(port)
    say(f"$ covattach dump {pid}")
    made, _ = make([found.snapshot()], outputs)
    summary_table.show(made, console())
    say(f"$ covattach stop {pid}")
    found.stop()
    visit(port)
    say("  the server answers on as before, and nothing is left in it")


@contextlib.contextmanager
def sample_server(folder: Path) -> Iterator[tuple[int, int]]:
    """Run the sample server in `folder`, and end it; yields its PID and its port.

    Its source is copied there, because installed packages are not measured.
    """
    import shutil
    import subprocess
    import sys

    shutil.copy(Path(__file__).with_name("demo_server.py"), folder / "shop.py")
    command = [sys.executable, "shop.py"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, encoding="utf-8") as popen:
        try:
            assert popen.stdout is not None
            yield popen.pid, int(popen.stdout.readline())
        finally:
            popen.terminate()


def visit(port: int) -> None:
    """Send the server requests of several kinds, and check that each is answered."""
    from urllib.request import urlopen

    for path in ("price/tea", "price/milk", "order/tea", "order/coffee") * 15:
        with urlopen(f"http://127.0.0.1:{port}/{path}", timeout=10) as answer:
            answer.read()
