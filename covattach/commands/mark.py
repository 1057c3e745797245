"""`covattach mark`: begin a named window, and end the one before."""

from __future__ import annotations

import click

from covattach.commands.options import as_pattern, json_option, waiting_option
from covattach.commands.output import print_json, say
from covattach.commands.target_arguments import ForTargets, each_target

EPILOG = """
\b
Examples:
  covattach mark 4711 login            what runs from now on is in the window "login"
  covattach mark 4711 checkout         … and from now on in "checkout"
  covattach mark 4711 --end            … and from now on in none
  covattach mark --name gunicorn login in every measured process with that in its command line
  covattach dump 4711 --windows login,checkout
"""
LONGEST = 100  # characters of a name


class WindowName(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """The name of a window: a line of text that can stand in a report."""

    name = "name"

    def convert(
        self, value: str, param: click.Parameter | None, context: click.Context | None
    ) -> str:
        """Return the name; fails with a usage error for one that is not printable, or too long."""
        if not value or not value.isprintable() or value != value.strip():
            self.fail(f"{value!r} is not a name of printable characters", param, context)
        if len(value) > LONGEST:
            self.fail(f"a name has at most {LONGEST} characters", param, context)
        return value


@click.command(cls=ForTargets, epilog=EPILOG)
@each_target(measured=True)
@click.argument("name", type=WindowName(), required=False, metavar="[WINDOW]")
@click.option("--end", is_flag=True, help="End the window without beginning another.")
@waiting_option
@json_option
def mark(pid: int, name: str | None, end: bool, as_json: bool) -> None:
    """Begin a window of process PID, and end the one before.

    What runs belongs to the window in which it ran; what runs in several belongs to each.
    Reports show the windows as coverage's contexts.  A WINDOW that there is already goes on.
    What ran before the first mark is in none.
    """
    from covattach.session.measured import find

    if end is (name is not None):
        raise click.UsageError("Give the name of the WINDOW that begins, or --end.")
    facts = find(pid).mark(name or "")
    for warning in facts.get("left_out", ()):
        say(f"Warning: {warning}")
    previous = str(facts["previous"])
    if previous and previous != name:
        say(f"The window {previous!r} of process {pid} has ended.")
    if name:
        say(f"What process {pid} runs from now on is in the window {name!r}.")
        say(f"Next: covattach dump {pid} --windows {as_pattern(name)}")
    if as_json:
        print_json(
            {
                "pid": pid,
                "window": name,
                "previous": previous or None,
                "windows": facts["windows"],
                "mark_ms": round(float(facts["mark_ms"]), 2),
            }
        )
