"""What is executed first in a target: launch.py, compiled by covattach where that can be.

The thread that does it is the application's, whose time compiling would take: 1 to 5 ms.  What is
imported here is there in every interpreter.
"""

from __future__ import annotations

import marshal
import os
import sys

TYPE_CHECKING = False  # as in `typing`, which is not imported here
if TYPE_CHECKING:
    from types import CodeType


def first(folder: str) -> str | CodeType:
    """Return launch.py out of the session's folder: its code, if that fits, or else its text."""
    magic = sys.modules["_frozen_importlib_external"].MAGIC_NUMBER
    if os.path.exists(folder + "/payloads/compiled"):
        with open(folder + "/payloads/compiled", "rb") as file:
            if file.read(len(magic)) == magic:
                size = int.from_bytes(file.read(4), "little")
                code: CodeType = marshal.loads(file.read(size))  # noqa: S302  # it is covattach's
                return code
    with open(folder + "/payloads/launch.py", encoding="utf-8") as text:
        return text.read()


exec(first(globals().get("SESSION") or globals()["TREE"]))
