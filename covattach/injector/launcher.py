"""The one line that is executed in the target."""

from __future__ import annotations

import re

from covattach.errors import NotPossible

# A lambda, because it is executed in `__main__` and leaves no name there.  `except BaseException:
# pass`, because once we have given up the file is gone.
TEXT = """\
try: (lambda file: (exec(file.read(), {{"SESSION": "{session}", "MAIN": {main:#x}}}),\
file.close()))(open("{session}/payloads/begin.py", encoding="utf-8"))
except BaseException: pass
"""
SAFE = re.compile(r"[A-Za-z0-9_./-]{1,56}")


def launcher(session: str, main: int = 0) -> bytes:
    """Return the line for the session in the folder `session` (as the target sees it).

    `main` is the identifier of the target's main thread, as `_thread.get_ident` has it, if known.
    Raises NotPossible for a path that would have to be quoted.
    """
    if not SAFE.fullmatch(session):
        raise NotPossible(
            f"The session folder {session!r} has a name that cannot be passed on safely.",
            "Make /tmp or /var/tmp writable for the target's user.",
        )
    return TEXT.format(session=session, main=main).encode("ascii")
