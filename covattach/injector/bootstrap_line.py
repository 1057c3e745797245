"""The line of Python that the injectors have a target execute, which begins a session there."""

from __future__ import annotations

import re

from covattach.errors import NotPossible
from covattach.payloads.session_files import BEGIN, RAISED

# Lambdas, so that no name is left in `__main__`, where the line is executed.  It raises nothing:
# once we have given up, its file is gone.  Everything is found in importlib's own namespace, as in
# bootstrap.py: in `__main__`, and among the builtins, names may have been replaced or removed, even
# `exec`, which code that covattach has compiled does not need.  An exception is reported in the
# name of a FIFO.  A new `posix` (originals.py) can still make one where nothing may be opened,
# because of an audit hook, say.
TEXT = """\
try:
 try: (lambda s, g: (lambda f, x: (lambda d: (lambda: 0).__class__(g["marshal"].loads(d[4:]), x)()\
 if d[:4] == g["MAGIC_NUMBER"] else g["__builtins__"]["exec"](d, x))((f.readall(), f.close())[0]))\
(g["_io"].FileIO(s + "/{begin}"), {{"SESSION": s, "MAIN": {main:#x},\
 "__builtins__": g["__builtins__"]}}))\
("{session}", {space})
 except: (lambda g: g["_imp"].create_builtin(g["_bootstrap"].ModuleSpec("posix", None)).mkfifo(\
"{session}/" + ("{raised}%a" % (g["sys"].exc_info()[1],))[:200].replace("/", "|")))({space})
except: pass
"""
SPACE = (
    "[c.find_spec.__globals__ for c in ().__class__.__base__.__subclasses__()"
    ' if c.__name__ == "FileFinder"][0]'
)
SAFE = re.compile(r"[A-Za-z0-9_./-]{1,56}")


def bootstrap_line(session: str, main: int = 0) -> bytes:
    """Return the line for the session in the folder `session` (as the target sees it).

    `main` is the identifier of the target's main thread, as `_thread.get_ident` has it, or 0 if it
    is not known.  Raises NotPossible for a path that would have to be quoted.
    """
    if not SAFE.fullmatch(session):
        raise NotPossible(
            f"The session folder {session!r} has a name that cannot be passed on safely.",
            "Make /tmp or /var/tmp writable for the target's user.",
        )
    words = {"session": session, "main": main, "space": SPACE, "raised": RAISED, "begin": BEGIN}
    return TEXT.format(**words).encode("ascii")
