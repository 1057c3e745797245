"""Witnesses of a snapshot: the users who could have made it, and the files that it may show.

    Witness(root, cwd, owners)          one user, or several who must all be allowed to read a file
    with looking(first, snapshots): …   each source is looked at with its witness's rights

Everybody who could have made a snapshot is its witness.  Root shows only files that all of them may
read: so it does not matter who has lied.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from covattach.process import credentials
from covattach.process.file_view import FileView
from covattach.process.owner import Owner
from covattach.process.shared_sources import NO_FILES, SharedSources
from covattach.process.source_access import Files, using_files
from covattach.snapshot.snapshot import Snapshot


@dataclass(frozen=True)
class Witness:
    """The users who vouch for a snapshot: all `owners` have to be allowed to read its files.

    `root` is the root directory of their process, as a path of ours; `cwd` is the working directory
    that their names start from.
    """

    root: Path
    cwd: str
    owners: tuple[Owner, ...]

    def with_others(self, owners: Iterable[Owner]) -> Witness:
        """Return a copy with more owners, who have to be allowed to read the files as well."""
        return replace(self, owners=credentials.least([*self.owners, *owners]))

    @property
    def is_us(self) -> bool:
        """Whether the witness is our own user, with our root directory and no fewer rights."""
        return self.root == Path("/") and credentials.are_us(self.owners)

    @contextlib.contextmanager
    def files(self) -> Iterator[Files]:
        """Yield the access to files with the owners' rights; if `root` has gone, it finds none."""
        with contextlib.ExitStack() as stack:
            try:
                view = stack.enter_context(FileView(self.root, self.cwd, *self.owners))
            except OSError:
                yield NO_FILES
                return
            yield view


@contextlib.contextmanager
def looking(first: Witness, snapshots: Iterable[Snapshot]) -> Iterator[None]:
    """Look at each source with the rights of the witness who named it, while the body runs.

    The witnesses are those of the snapshots, and `first`, whom the settings come from.  If all of
    them are ourselves, nothing changes.
    """
    names: dict[Witness, set[str]] = {first: set()}
    for one in snapshots:
        said = names.setdefault(one.witness if isinstance(one.witness, Witness) else NOBODY, set())
        said.update(one.files, *one.windows.values(), one.loads.files)
    if all(one.is_us for one in names):
        yield
        return
    with contextlib.ExitStack() as stack:
        files = {one: stack.enter_context(one.files()) for one in names}
        alone = files[first] if len(files) == 1 else None
        shared = alone or SharedSources(
            files[first], [(files[one], said) for one, said in names.items()]
        )
        stack.enter_context(using_files(shared))
        yield


NOBODY = Witness(Path("/nonexistent"), "/", ())
