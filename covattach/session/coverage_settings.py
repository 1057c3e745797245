"""Settings of a measurement and its reports: the target's configuration, and the command line's.

The command line overrides the configuration.  Of the target's own configuration, only settings are
taken that run no code and name no output files.  Plugins are code that would be imported: they
count only in a file that the caller vouches for, by `--rcfile`.  Output paths are always the
caller's.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from covattach.budget import limited
from covattach.errors import BadUsage
from covattach.files.private_folder import private_folder
from covattach.payloads.measure.core_choice import NAMES
from covattach.process import credentials
from covattach.process.file_view import FileView
from covattach.process.process import Process
from covattach.process.source_access import ONE_AT_A_TIME

if TYPE_CHECKING:
    from coverage.config import CoverageConfig

LONGEST = 1 << 18  # bytes of a configuration file; a longer one is cut off, and so no TOML
LONGEST_PATH = 4095  # bytes: PATH_MAX of Linux, without the end
LONGEST_WORDS = 500  # characters of coverage's error message that are shown
HONEST = 1.0  # seconds of CPU that reading an honest configuration takes at most

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
NOT_TAKEN = ("run:dynamic_context",)  # contexts are our windows; sysmon has no dynamic ones
NEEDS_RCFILE = ("run:disable_warnings", "run:plugins", "html:extra_css")


def read(process: Process, rcfile: str | None, given: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that differ from coverage's defaults, named as in `Coverage.set_option`.

    `rcfile` is the file given by `--rcfile`; None stands for the target's own configuration.
    `given` are the command line's settings, which win unless they are None or empty.  Raises
    BadUsage for a file that cannot be read, with coverage's message.
    """
    from coverage.config import CoverageConfig

    config = read_config(os.path.abspath(rcfile)) if rcfile else config_of_target(process)
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
    if "html:extra_css" in found:  # the caller's, from wherever the report is made
        found["html:extra_css"] = os.path.abspath(str(found["html:extra_css"]))
    found.update({name: value for name, value in given.items() if value not in (None, (), [])})
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in found.items()
    }


def read_config(path: str | bool, instead: str = "") -> CoverageConfig:
    """Return the configuration in the file `path`; True looks for one in the folders coverage does.

    Paths in an error message are shown without the folder `instead`.  Raises BadUsage.
    """
    from coverage.config import read_coverage_config
    from coverage.exceptions import CoverageException

    try:
        return read_coverage_config(config_file=path, warn=lambda message: None)
    except (CoverageException, RecursionError, ValueError, TypeError, AttributeError) as error:
        words = str(error).replace(f"{instead}/", "") if instead else str(error)
        words = words[:LONGEST_WORDS]
        raise BadUsage(
            f"The configuration cannot be read: {words}.",
            "Correct it, or say which file to take with `--rcfile`.",
        ) from None


def config_of_target(process: Process) -> CoverageConfig:
    """Return the target's own configuration, read with its user's rights; raises BadUsage.

    Environment variables that the configuration refers to are the target's, not ours.
    """
    with private_folder("settings-") as folder, environment_of(process):
        copy_config(process, folder)
        with (
            ONE_AT_A_TIME,
            contextlib.chdir(folder),
            limited("The configuration of the target", HONEST),
        ):
            return read_config(True, instead=str(folder))


def copy_config(process: Process, folder: Path) -> None:
    """Copy to `folder` the files in which coverage would look for the target's configuration.

    If COVERAGE_RCFILE is set in the environment, only the file that it names is copied, and it is
    set to the copy's name.  Raises BadUsage if it is longer than a path can be.
    """
    from coverage.config import config_files_to_try

    named = os.environ.get("COVERAGE_RCFILE", "")
    length = len(os.fsencode(named))
    if length > LONGEST_PATH:
        raise BadUsage(
            f"The configuration of process {process.pid} cannot be read: its COVERAGE_RCFILE is"
            f" {length} characters long.",
            "Say which file to take with `--rcfile`.",
        )
    names = [name for name, *_ in config_files_to_try(True)] if not named else [named]
    with FileView(process.root, str(process.cwd), *credentials.of_process(process)) as view:
        for name in names:
            with contextlib.suppress(OSError):
                content = view.read(os.path.expanduser(name), LONGEST)
                (folder / os.path.basename(name)).write_bytes(content)
    if named:
        os.environ["COVERAGE_RCFILE"] = os.path.basename(named)


@contextlib.contextmanager
def environment_of(process: Process) -> Iterator[None]:
    """Replace our environment by the target's in the body, and restore ours afterwards.

    Variables that would change what coverage does here, such as COVERAGE_FILE, are left out.
    """
    before = dict(os.environ)
    theirs = process.environment
    for name in ("COVERAGE_CORE", "COVERAGE_FILE", "COVERAGE_FORCE_CONFIG"):
        theirs.pop(name, None)
    try:
        os.environ.clear()
        os.environ.update(theirs)
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def measuring(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that the agent needs, without those that are only for reports."""
    ours = ("html:", "json:", "lcov:", "xml:", "report:", "paths", *NOT_TAKEN)
    return {name: value for name, value in settings.items() if not name.startswith(ours)}


def asked_core(settings: dict[str, Any], given: str | None = None) -> str | None:
    """Return the core named by `given`, the value of `--core`, or else by the settings, or None."""
    core = given or settings.get("run:core")
    return str(core) if core in NAMES else None


def warnings(settings: dict[str, Any]) -> list[str]:
    """Return a sentence for each setting of the target's that is not followed."""
    return [
        f"{name.partition(':')[2]} = {settings[name]} is not followed: "
        "contexts are the windows of `covattach mark`."
        for name in NOT_TAKEN
        if name in settings
    ]


def reporting(settings: dict[str, Any], trusted: bool) -> dict[str, Any]:
    """Return the settings that a report needs: all but the core.

    If they are not `trusted`, they come from a folder of another user.  That user must not choose
    code that we run, or files that we write.  Then only those are returned that the target's own
    configuration could have.
    """
    own = {*MEASURING, *REPORTING}
    return {
        name: value
        for name, value in settings.items()
        if name != "run:core" and (trusted or name in own)
    }


def without_code(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings without plugins and their options, for reports on others' snapshots.

    A plugin is code that would look at source files with all the rights that we have.
    """
    known = {*MEASURING, *REPORTING, *NEEDS_RCFILE} - {"run:plugins"}
    return {name: value for name, value in settings.items() if name in known}


def absolute(path: str | Path) -> Path:
    """Return `path` as an absolute one; a relative one starts from our working directory."""
    return Path(os.path.abspath(path))
