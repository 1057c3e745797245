"""The frames that are running: every thread's stack, as it is now."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable, Iterator
from types import AsyncGeneratorType, CoroutineType, FrameType, GeneratorType
from typing import Any

from . import gil, heap


def stack(frame: FrameType | None) -> Iterator[FrameType]:
    """Yield `frame` and its callers, innermost first."""
    while frame is not None:
        yield frame
        frame = frame.f_back


def all_running(but: int = 0) -> Iterator[FrameType]:
    """Yield the running frames of all threads but the one with the identifier `but`."""
    for ident, frame in sys._current_frames().items():
        if ident != but:
            yield from stack(frame)


def own_ident() -> int:
    """Return the identifier of this thread, as `sys._current_frames` has it.

    `_thread.get_ident` may be gevent's, which tells greenlets apart instead.
    """
    running = sys._current_frames()
    idents = dict(zip(map(id, running.values()), running))
    # A frame that refers to itself would live on, with all its callers, until it is collected.
    running.clear()
    return idents[id(sys._getframe())]


def suspended() -> list[FrameType]:
    """Return the frames of all generators, coroutines and asynchronous generators."""
    places = {GeneratorType: "gi_frame", CoroutineType: "cr_frame", AsyncGeneratorType: "ag_frame"}
    found: list[Any] = []
    gil.at_once(*heap.instances(places, found))
    known = [getattr(one, places[type(one)]) for one in found]
    return [frame for frame in known if frame is not None]


def holding(objects: Iterable[object]) -> list[FrameType]:
    """Return the frames, suspended ones too, that refer to one of `objects`."""
    return [found for found in gc.get_referrers(*objects) if isinstance(found, FrameType)]


def is_inside(frame: FrameType) -> bool:
    """Tell whether a frame is of our code or coverage's."""
    coverage = sys.modules.get("coverage")
    file = getattr(coverage, "__file__", None) or "<"
    return frame.f_code.co_filename.startswith(("<covattach ", file.rpartition("/")[0] + "/"))


def is_fault_of_ours(error: BaseException) -> bool:
    """Tell whether an exception that came up in our code is a fault of ours, or of coverage's.

    Not if a signal handler of the application's raised it, nor if another thread has sent it by
    `PyThreadState_SetAsyncExc`: that was raised nowhere, but is no builtin error either.
    """
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None or not isinstance(error, Exception) or not is_inside(traceback.tb_frame):
        return False
    module = type(error).__module__
    return module == "builtins" or module.startswith("coverage.")
