"""`covattach start`: attach and measure."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from covattach.commands.options import (
    Duration,
    chosen_settings,
    json_option,
    measuring_options,
    timeout_option,
    trust_option,
)
from covattach.commands.output import print_json, progress, say
from covattach.commands.target_arguments import ForTargets, each_target

if TYPE_CHECKING:
    from covattach.attach.attach_process import Options
    from covattach.attach.attach_tree import Attached

EPILOG = """
\b
Examples:
  covattach start 4711
  covattach start 4711 --source=shop,payments --branch
  covattach start --name gunicorn          every process with that in its command line
  covattach start 4711 --every 30s --for 7d
  covattach start 4711 --tree              a server's master, and all of its workers
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


@click.command(cls=ForTargets, epilog=EPILOG)
@each_target(measured=False)
@click.option(
    "--method",
    type=click.Choice(["auto", "gdb", "remote-exec", "pyrasite"]),
    default="auto",
    show_default=True,
    help="How to get in: remote-exec (3.14 and later, no stop at all) or gdb.",
)
@measuring_options
@click.option(
    "--tree",
    is_flag=True,
    help="Measure all descendants too, also those that are born later.",
)
@click.option("--every", type=Duration(), help="Autosave interval, for `dump` after a crash.")
@click.option("--for", "for_", type=Duration(), help="Stop by itself after this time.")
@click.option(
    "--max-overhead",
    type=click.FloatRange(min=0, min_open=True),
    metavar="PERCENT",
    help="Take the measuring off by itself when it slows the target down by more.",
)
@timeout_option
@trust_option
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

    from covattach.attach import attach_process, attach_tree
    from covattach.reports import datafile

    path = Path(data_file).absolute()
    datafile.ensure_ours(path)
    with progress(verbose) as tell_progress:

        def told(words: str) -> None:
            tell_progress(words)
            if (
                words == attach_process.DONE
            ):  # from here on a Ctrl-C could only keep us from saying so
                for number in (signal.SIGINT, signal.SIGTERM):
                    signal.signal(number, signal.SIG_IGN)

        options = asked_for(given)
        if given["tree"]:
            attached = attach_tree.start(pid, options, told, warn, counting(tell_progress))
            found, facts = attached.first, attached.facts[pid]
        else:
            attached = None
            found, facts = attach_process.start(pid, options, told, warn)
    facts = {**facts, "socket": str(found.folder.socket), "data_file": str(path)}
    if verbose:
        for line in found.facts.get("transcript", ()):
            say(line)
        say(str(facts.get("how", "")))
    tell(pid, facts)
    more = tell_tree(attached) if attached else {}
    say(f"Next: covattach dump {pid} (report so far), covattach stop {pid} (report and end)")
    if as_json:
        print_json({**{name: facts.get(name) for name in FIELDS}, **more})


def asked_for(given: dict[str, Any]) -> Options:
    """Return the command line's options, `given`, as the Options of an attach."""
    from covattach.attach import attach_process

    return attach_process.Options(
        method=given["method"],
        core=given["core"],
        timeout=given["timeout"],
        rcfile=given["rcfile"],
        every=given["every"],
        for_=given["for_"],
        max_overhead=given["max_overhead"],
        given=chosen_settings(given),
        trust_seccomp=given["trust_seccomp"],
    )


def warn(text: str) -> None:
    """Print a warning that may have several lines, such as the forecast of the slow-down."""
    for line in text.splitlines():
        say(line)


def counting(tell_progress: Callable[[str], None]) -> Callable[[int, int], None]:
    """Return a function that shows as progress how many processes have been attached to."""
    return lambda done, total: tell_progress(f"attached to {done} of {total} processes")


def tell_tree(attached: Attached) -> dict[str, Any]:
    """Print which descendants are measured, and which are not and why; return that for `--json`."""
    others = len(attached.facts) - 1
    too = f"{others} of its descendants {'is' if others == 1 else 'are'} measured too, and"
    say(f"{too if others else 'It is measured with'} all that is started from now on.")
    for pid, error in attached.failures.items():
        warn(getattr(error, "traceback", ""))
        say(f"Warning: process {pid} is not measured. {error.message} {error.remedy}")
    names = ("python", "method", "core", "pause_ms", "attach_ms")
    return {
        "processes": [
            {"pid": pid, **{name: facts.get(name) for name in names}}
            for pid, facts in attached.facts.items()
        ],
        "failed": [
            {"pid": pid, "error": error.message} for pid, error in attached.failures.items()
        ],
    }


def tell(pid: int, facts: dict[str, Any]) -> None:
    """Print the session, its settings, and the time that the attach took, for people."""
    for warning in facts.get("warnings", ()):
        say(f"Warning: {warning}")
    what = "lines and branches" if facts.get("branch") else "lines"
    how = f"{what}, core {facts['core']}, coverage {facts['coverage']}"
    if facts["already"]:
        say(f"Process {pid} (Python {facts['python']}) is measured already: {how}.")
        say("It goes on as it was started: to change that, stop it first.")
    else:
        pause = facts["pause_ms"]
        paused = f"paused for {pause:.0f} ms" if pause else "never paused"
        say(f"Measuring process {pid} (Python {facts['python']}): {how}.")
        took = f"{facts['attach_ms']:.0f} ms"
        say(f"Attached by {facts['method']} in {took}; the process was {paused}.")
