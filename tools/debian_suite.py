"""Packages of another Debian suite, through a private apt configuration.

The suite is read from the Debian mirror that this machine already uses. Nothing of the machine's
own package state is read or changed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from cache import ProvisionError, run, say, sha256

LOCK = Path(__file__).with_name("interpreters.lock")
SUITES = re.compile(
    r"(?:old)*stable|testing|unstable|sid|bullseye|bookworm|trixie|forky|duke",
)
CONFIGURATION = """\
Dir::State "{state}";
Dir::State::status "{state}/status";
Dir::Cache "{state}/cache";
Dir::Etc::SourceList "{state}/suite.sources";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Acquire::Languages "none";
Acquire::Retries "3";
APT::Architectures {{ "{architecture}"; }};
APT::Sandbox::User "";
"""

Pins = dict[str, list[str]]
"""Package name to version and SHA-256."""


def stanzas(etc: Path) -> Iterator[dict[str, str]]:
    """Yield the machine's package sources, of both formats, as fields with lower-case names."""
    parts = etc / "sources.list.d"
    for file in sorted(parts.glob("*.sources")):
        text = re.sub(r"(?m)^#.*\n?", "", file.read_text())
        for block in re.split(r"\n\s*\n", text):
            fields = re.findall(r"(?ms)^([\w-]+):[ \t]*(.*?)\n(?=\S|\Z)", block.strip() + "\n")
            yield {name.lower(): value for name, value in fields}
    line_pattern = re.compile(r"\s*deb\s+(?:\[(.*?)\]\s*)?(\S+)\s+(\S+)\s+([^#]*)")
    for file in [etc / "sources.list", *sorted(parts.glob("*.list"))]:
        for line in file.read_text().splitlines() if file.exists() else []:
            if found := line_pattern.match(line):
                options, uris, suites, components = found.groups()
                words = (options or "").split()
                yield {
                    **dict(word.split("=", 1) for word in words if "=" in word),
                    **{"types": "deb", "uris": uris, "suites": suites, "components": components},
                }


def mirror(etc: Path = Path("/etc/apt")) -> dict[str, str]:
    """Return the stanza of the Debian mirror that this machine uses."""
    for stanza in stanzas(etc):
        binary = "deb" in stanza.get("types", "").split() and stanza.get("enabled", "yes") != "no"
        main = "main" in stanza.get("components", "").split()
        if binary and main and any(map(SUITES.fullmatch, stanza.get("suites", "").split())):
            return stanza
    raise ProvisionError(
        "No Debian mirror stands in /etc/apt, so Debian's interpreters cannot be had.",
        "Use Debian (a container will do), or go on with those that were found (PARTIAL=1).",
    )


def architecture() -> str:
    """Return Debian's name of this machine's architecture."""
    return run(["dpkg", "--print-architecture"]).strip()


class Suite:
    """A Debian suite: the packages wanted of it, and the folders for its files."""

    def __init__(self, cache: Path, name: str, packages: list[str]) -> None:
        self.cache = cache
        self.name = name
        self.packages = packages
        self.downloads = cache / "downloads" / f"debian-{name}"
        self.state = cache / "apt" / name

    def pins(self) -> Pins:
        """Return the pins in the lock file for this architecture."""
        everything = json.loads(LOCK.read_text()) if LOCK.exists() else {}
        pins: Pins = everything.get(self.name, {}).get(architecture(), {})
        return pins

    def archives(self, pins: Pins) -> list[Path]:
        """Return the pinned packages, downloaded; if one has gone, the newest of all wanted."""
        self.downloads.mkdir(parents=True, exist_ok=True)
        wanted = {digest for _, digest in pins.values()}
        missing = wanted - self.digests().keys()
        if missing or not wanted:
            self.update()
        if missing:
            self.download([f"{name}={pin[0]}" for name, pin in pins.items() if pin[1] in missing])
        have = self.digests()
        if wanted and wanted <= have.keys():
            return [have[digest] for digest in wanted]
        if wanted:
            say(f"Debian {self.name} has moved on from a pinned version, taking the newest")
        return self.newest()

    def update(self) -> None:
        """Read the suite's package lists into the private state."""
        say(f"reading the package lists of Debian {self.name}")
        for part in ("lists/partial", "cache/archives/partial"):
            (self.state / part).mkdir(parents=True, exist_ok=True)
        (self.state / "status").touch()
        found = mirror()
        fields = {"Types": "deb", "URIs": found["uris"], "Suites": self.name, "Components": "main"}
        if key := found.get("signed-by"):
            fields["Signed-By"] = key
        text = "".join(f"{name}: {value}\n" for name, value in fields.items())
        (self.state / "suite.sources").write_text(text)
        conf = CONFIGURATION.format(state=self.state, architecture=architecture())
        (self.state / "apt.conf").write_text(conf)
        self.apt("update")

    def download(self, versions: list[str]) -> None:
        """Download exactly these versions, those that the mirror still has."""
        say(f"downloading {len(versions)} pinned packages of Debian {self.name}")
        try:
            self.apt("download", *versions, cwd=self.downloads)
        except ProvisionError:
            return  # the caller looks at what is there

    def newest(self) -> list[Path]:
        """Download the newest of the wanted packages, with all that they depend on."""
        folder = self.state / "cache" / "archives"
        for left_over in folder.glob("*.deb"):
            left_over.unlink()
        names = [name for name in self.packages if self.installable(name)]
        for name in sorted(set(self.packages) - set(names)):
            say(f"Debian {self.name} has no {name} any more")
        say(f"downloading {', '.join(names)} of Debian {self.name}, with their dependencies")
        self.apt("install", "--yes", "--no-install-recommends", "--download-only", *names)
        return sorted(folder.glob("*.deb"))

    def installable(self, name: str) -> bool:
        """Whether the suite has the package and all that it depends on."""
        try:
            self.apt("install", "--simulate", "--no-install-recommends", name)
        except ProvisionError:
            return False
        return True

    def digests(self) -> dict[str, Path]:
        """Return the downloaded archives by their SHA-256."""
        return {sha256(path): path for path in self.downloads.glob("*.deb")}

    def apt(self, *words: str, cwd: Path | None = None) -> str:
        """Run apt-get with the private configuration, and return its output."""
        private = {"APT_CONFIG": str(self.state / "apt.conf")}
        return run(["apt-get", "-q", *words], env=private, cwd=cwd)


def pin(suites: list[Suite]) -> None:
    """Write the lock file anew, from the suites' present packages.

    Pins for other architectures stay.
    """
    everything = json.loads(LOCK.read_text()) if LOCK.exists() else {}
    form = "--showformat=${Package} ${Version}"
    for suite in suites:
        suite.update()
        pins = {}
        for archive in suite.newest():
            package, version = run(["dpkg-deb", "--show", form, archive]).split()
            pins[package] = [version, sha256(archive)]
        everything.setdefault(suite.name, {})[architecture()] = pins
    LOCK.write_text(json.dumps(everything, indent=2, sort_keys=True) + "\n")
