"""`covattach start`: attach and measure."""

from __future__ import annotations

import signal
from typing import Any

import click

from covattach.commands.common import (
    Duration,
    json_option,
    pid_argument,
    print_json,
    progress,
    say,
    timeout_option,
)

EPILOG = """
\b
Examples:
  covattach start 4711
  covattach start 4711 --source=shop,payments --branch
  covattach start 4711 --every 30s --for 7d
  covattach start 4711 --max-overhead 20   take it off if the target slows down by more
"""
FIELDS = (
    "pid",
    "python",
    "method",
    "core",
    "branch",
    "pause_ms",
    "attach_ms",
    "socket",
    "data_file",
    "coverage",
    "already",
    "warnings",
)


def listed(context: click.Context, param: click.Parameter, value: str | None) -> list[str]:
    """Return a comma-separated option as a list, as coverage's own options are given."""
    return [part.strip() for part in (value or "").split(",") if part.strip()]


@click.command(epilog=EPILOG)
@pid_argument
@click.option(
    "--method",
    type=click.Choice(["auto", "gdb", "remote-exec", "pyrasite"]),
    default="auto",
    show_default=True,
    help="How to get in: remote-exec (3.14 and later, no stop at all) or gdb.",
)
@click.option(
    "--core",
    type=click.Choice(["sysmon", "ctrace"]),
    help="coverage's measuring core.  [default: the fastest that can do it]",
)
@click.option("--branch/--no-branch", default=None, help="Measure branches, not only lines.")
@click.option("--source", callback=listed, metavar="LIST", help="Packages or folders to measure.")
@click.option("--include", callback=listed, metavar="LIST", help="Only files like these patterns.")
@click.option("--omit", callback=listed, metavar="LIST", help="No files like these patterns.")
@click.option(
    "--rcfile",
    type=click.Path(exists=True, dir_okay=False),
    help="coverage's configuration.  [default: the target's own]",
)
@click.option("--every", type=Duration(), help="Autosave so often, for `dump` after a crash.")
@click.option("--for", "for_", type=Duration(), help="Stop by itself after this time.")
@click.option(
    "--max-overhead",
    type=click.FloatRange(min=0, min_open=True),
    metavar="PERCENT",
    help="Take the measuring off by itself when it slows the target down by more.",
)
@timeout_option
@click.option(
    "--data-file",
    type=click.Path(dir_okay=False),
    default=".coverage",
    show_default=True,
    help="Where `dump` is going to write; checked now.",
)
@json_option
@click.pass_obj
def start(verbose: bool, /, pid: int, as_json: bool, data_file: str, **given: Any) -> None:
    """Attach to the running Python process PID and measure every thread.

    Relative folders in --source, --include and --omit start from the target's working
    directory, as they would for coverage in the target.
    """
    from pathlib import Path

    from covattach import attach
    from covattach.reports import datafile

    path = Path(data_file).absolute()
    datafile.ensure_ours(path)
    options = attach.Options(
        method=given["method"],
        core=given["core"],
        timeout=given["timeout"],
        rcfile=given["rcfile"],
        every=given["every"],
        for_=given["for_"],
        max_overhead=given["max_overhead"],
        given={
            "run:branch": given["branch"],
            "run:source": given["source"],
            "run:include": given["include"],
            "run:omit": given["omit"],
            "report:include": given["include"],
            "report:omit": given["omit"],
        },
    )
    with progress(verbose) as tell_progress:

        def told(words: str) -> None:
            tell_progress(words)
            if words == attach.DONE:  # from here on a Ctrl-C could only keep us from saying so
                for number in (signal.SIGINT, signal.SIGTERM):
                    signal.signal(number, signal.SIG_IGN)

        found, facts = attach.start(pid, options, told)
    facts = {**facts, "socket": str(found.folder.socket), "data_file": str(path)}
    if verbose:
        for line in found.facts.get("transcript", ()):
            say(line)
        say(str(facts.get("how", "")))
    tell(pid, facts)
    if as_json:
        print_json({name: facts.get(name) for name in FIELDS})


def tell(pid: int, facts: dict[str, Any]) -> None:
    """Say for people what was done, what it cost, and what comes next."""
    for warning in facts.get("warnings", ()):
        say(f"Warning: {warning}")
    what = "lines and branches" if facts.get("branch") else "lines"
    how = f"{what}, core {facts['core']}, coverage {facts['coverage']}"
    if facts["already"]:
        say(f"Process {pid} (Python {facts['python']}) is measured already: {how}.")
        say("It goes on as it was started: to change that, stop it first.")
    else:
        pause = facts["pause_ms"]
        stopped = f"stopped for {pause:.0f} ms" if pause else "never stopped"
        say(f"Measuring process {pid} (Python {facts['python']}): {how}.")
        say(f"Attached by {facts['method']} in {facts['attach_ms']:.0f} ms; it was {stopped}.")
    if facts["core"] == "ctrace":
        say("This core slows Python code down, several times in hot loops, until `stop`.")
    say(f"Next: covattach dump {pid}")
