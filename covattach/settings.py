"""What and how to measure: the target's own configuration, the command line over it.

Of the target's configuration only what says what and how to measure is taken.  Plugins are code
that would be imported, and output paths are for the caller to say: they need `--rcfile`, with
which the caller vouches for the file.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from covattach.errors import BadUsage
from covattach.target.process import Process

MEASURING = (
    "run:branch",
    "run:concurrency",
    "run:context",
    "run:core",
    "run:cover_pylib",
    "run:include",
    "run:omit",
    "run:relative_files",
    "run:source",
    "run:source_dirs",
    "run:source_pkgs",
)
REPORTING = (
    "html:show_contexts",
    "html:skip_covered",
    "html:skip_empty",
    "html:title",
    "json:pretty_print",
    "json:show_contexts",
    "lcov:line_checksums",
    "paths",
    "report:contexts",
    "report:exclude_lines",
    "report:ignore_errors",
    "report:include",
    "report:include_namespace_packages",
    "report:omit",
    "report:partial_branches",
    "report:partial_branches_always",
    "report:precision",
    "report:skip_covered",
    "report:skip_empty",
    "report:sort",
    "xml:package_depth",
)
NOT_TAKEN = ("run:dynamic_context",)  # windows are the contexts; sysmon has no others
NEEDS_RCFILE = ("run:disable_warnings", "run:plugins", "html:extra_css")


def read(process: Process, rcfile: str | None, given: dict[str, Any]) -> dict[str, Any]:
    """Return the settings by the names of `Coverage.set_option`, those that are not the default.

    `given` is what the command line says, and wins.  Raises BadUsage for a file that cannot be
    read, with coverage's own words.
    """
    from coverage.config import CoverageConfig, read_coverage_config
    from coverage.exceptions import CoverageException

    path: str | bool = os.path.abspath(rcfile) if rcfile else True
    try:
        with as_the_target_starts(process):
            config = read_coverage_config(config_file=path, warn=lambda message: None)
    except CoverageException as error:
        raise BadUsage(
            f"The configuration cannot be read: {error}.",
            "Correct it, or say which file to take with `--rcfile`.",
        ) from None
    default = CoverageConfig()
    names = MEASURING + REPORTING + (NEEDS_RCFILE if rcfile else ())
    found = {
        name: config.get_option(name)
        for name in names
        if config.get_option(name) != default.get_option(name)
    }
    if config.dynamic_context:
        found["run:dynamic_context"] = config.dynamic_context
    for plugin in config.plugins if rcfile else ():
        for key, value in config.get_plugin_options(plugin).items():
            found[f"{plugin}:{key}"] = value
    found.update({name: value for name, value in given.items() if value not in (None, (), [])})
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in found.items()
    }


@contextlib.contextmanager
def as_the_target_starts(process: Process) -> Iterator[None]:
    """Be in the target's working directory, with what its environment says of coverage."""
    names = ("COVERAGE_RCFILE", "COVERAGE_CORE", "COVERAGE_FILE", "COVERAGE_FORCE_CONFIG")
    before = {name: os.environ.pop(name, None) for name in names}
    theirs = process.environment.get("COVERAGE_RCFILE")
    if theirs:
        os.environ["COVERAGE_RCFILE"] = theirs
    try:
        with contextlib.chdir(process.proc / "cwd"):
            yield
    finally:
        os.environ.pop("COVERAGE_RCFILE", None)
        os.environ.update({name: value for name, value in before.items() if value is not None})


def measuring(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that the agent needs; those for reports are for us."""
    ours = ("html:", "json:", "lcov:", "xml:", "report:", "paths", *NOT_TAKEN)
    return {name: value for name, value in settings.items() if not name.startswith(ours)}


def asked_core(settings: dict[str, Any], given: str | None = None) -> str | None:
    """Return the core that the command line or else the configuration names, or None."""
    core = given or settings.get("run:core")
    return str(core) if core in ("ctrace", "sysmon") else None


def warnings(settings: dict[str, Any]) -> list[str]:
    """Return a sentence for each setting of the target's that is not followed."""
    return [
        f"{name.partition(':')[2]} = {settings[name]} is not followed: "
        "contexts are the windows of `covattach mark`."
        for name in NOT_TAKEN
        if name in settings
    ]


def reporting(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that a report needs: all but the core, which is the target's matter."""
    return {name: value for name, value in settings.items() if name not in ("run:core",)}


def absolute(path: str | Path) -> Path:
    """Return a path of the caller's as an absolute one."""
    return Path(os.path.abspath(path))
