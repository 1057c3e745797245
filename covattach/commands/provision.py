"""`covattach provision`: get a coverage for targets of another Python."""

from __future__ import annotations

import click

from covattach.commands.output import say

EPILOG = """
\b
Example:
  covattach provision --python 3.9
"""


@click.command(epilog=EPILOG)
@click.option(
    "--python",
    "version",
    required=True,
    metavar="X.Y",
    type=click.Choice([f"3.{minor}" for minor in range(9, 16)]),
    help="The Python of the targets.",
)
def provision(version: str) -> None:
    """Fill the cache with a coverage for targets that run Python X.Y and have none.

    It is fetched with pip, and used only for targets whose environment has no coverage.
    """
    from covattach.attach import coverage_packages as provisioning

    major, minor = version.split(".")
    say(f"Getting coverage for Python {version} …")
    say(f"It is in {provisioning.fill((int(major), int(minor)))}")
