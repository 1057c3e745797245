"""The frames that are running: every thread's stack, as it is now."""

from __future__ import annotations

import _queue
import _thread
import gc
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from types import AsyncGeneratorType, CoroutineType, FrameType, GeneratorType
from typing import Any

from . import atomic, gc_objects, subinterpreters

# Before 3.10 a frame with a trace function knows its line only from what it was traced at, or from
# when it was given the function in Python: in C, coverage's tracer would leave it at the `def`.
STALE = sys.version_info[:2] < (3, 10)
# How the names of our files begin, and of coverage's, which stay known when it is put aside.
INSIDE = {"<covattach "}
PATIENCE = 2.0  # seconds in which threads must have come out of our code and coverage's


def stack(frame: FrameType | None) -> Iterator[FrameType]:
    """Yield `frame` and its callers, innermost first."""
    while frame is not None:
        yield frame
        frame = frame.f_back


def of_threads() -> Callable[[], dict[int, FrameType]]:
    """Return the C function that returns the innermost frame of each thread, by its identifier.

    Where there are interpreters of which that may not be asked, it is one that returns nothing:
    then what runs is measured when it is entered anew, which `start` says.
    """
    return dict if subinterpreters.are_there() else sys._current_frames


def all_running(*but: int) -> Iterator[FrameType]:
    """Yield the running frames of all threads but those with the identifiers `but`."""
    for ident, frame in of_threads()().items():
        if ident not in but:
            yield from stack(frame)


def own_ident() -> int:
    """Return the identifier of this thread, as `sys._current_frames` has it.

    `_thread.get_ident` may be gevent's, which tells greenlets apart instead.
    """
    running = of_threads()()
    if not running:
        return _thread.get_ident()
    idents = dict(zip(map(id, running.values()), running))
    # A frame that refers to itself would live on, with all its callers, until it is collected.
    running.clear()
    return idents[id(sys._getframe())]


def suspended() -> list[FrameType]:
    """Return the frames of all generators, coroutines and asynchronous generators."""
    places = {GeneratorType: "gi_frame", CoroutineType: "cr_frame", AsyncGeneratorType: "ag_frame"}
    found: list[Any] = []
    atomic.at_once(*gc_objects.instances(places, found))
    known = [getattr(one, places[type(one)]) for one in found]
    return [frame for frame in known if frame is not None]


def holding(objects: Iterable[object]) -> list[FrameType]:
    """Return the frames, suspended ones too, that refer to one of `objects`."""
    return [found for found in gc.get_referrers(*objects) if isinstance(found, FrameType)]


def know(package: Any) -> None:
    """Take the code of coverage's `package` for coverage's from now on."""
    file = getattr(package, "__file__", None)
    if file:
        INSIDE.add(file.rpartition("/")[0] + "/")


def is_inside(frame: FrameType) -> bool:
    """Tell whether a frame is of our code or coverage's."""
    return frame.f_code.co_filename.startswith(tuple(INSIDE))


def is_alone() -> bool:
    """Tell whether no other thread is in our code or coverage's."""
    return not any(map(is_inside, all_running(own_ident())))


def is_fault_of_ours(error: BaseException) -> bool:
    """Tell whether an exception that came up in our code is a fault of ours, or of coverage's.

    That may be in a module of the library that we have called.  Not if a signal handler, a trace
    function or a profiler of the application's raised it, which the interpreter calls in the middle
    of ours; nor if another thread has sent it by `PyThreadState_SetAsyncExc`: that was raised
    nowhere, but is no builtin error either.
    """
    chain = raised_in(error)
    inside = [number for number, frame in enumerate(chain) if is_inside(frame)]
    if not inside or not isinstance(error, Exception):
        return False
    rest = chain[inside[-1] :]
    if len(rest) == 1:
        module = type(error).__module__
        return module == "builtins" or module.startswith("coverage.")
    return not any(map(is_interrupted_by, rest, rest[1:]))


def raised_in(error: BaseException) -> list[FrameType]:
    """Return the frames that an exception went through, outermost first."""
    found = []
    traceback = error.__traceback__
    while traceback is not None:
        found.append(traceback.tb_frame)
        traceback = traceback.tb_next
    return found


def is_interrupted_by(frame: FrameType, called: FrameType) -> bool:
    """Tell whether the interpreter has called a function by itself while it was at `frame`.

    It gives the frame, or its code, to whom it calls; nobody else does.
    """
    given = [*called.f_locals.values()]
    given += [one for several in given if type(several) is tuple for one in several]
    return any(one is frame or one is frame.f_code for one in given)


def in_file_of(function: Any) -> Callable[[FrameType], bool]:
    """Return a function that tells whether a frame's code is in the same file as `function`."""
    file = function.__code__.co_filename
    return lambda frame: frame.f_code.co_filename == file


def wait_for_others(is_there: Callable[[FrameType], bool] = is_inside) -> bool:
    """Wait until no other thread is in our code or coverage's; False if one stays there for long.

    The C tracer calls coverage, and must still be there when that returns.  For less than all of
    our code, `is_there` tells which frames are in it: the agent of an attach that was killed waits
    in its own for a while.
    """
    until = time.monotonic() + PATIENCE
    pause = _queue.SimpleQueue[None]()  # gevent has replaced `time.sleep`
    own = own_ident()  # not always the agent's: a forked child has only its own
    while any(map(is_there, all_running(own))):
        if time.monotonic() > until:
            return False
        try:
            pause.get(timeout=0.001)
        except _queue.Empty:
            continue
    return True


def name_of(function: Any) -> str:
    """Return the name of a trace function, as far as it has one."""
    function = getattr(function, "func", function)  # of a partial object
    kind = type(function)
    module = getattr(function, "__module__", None) or kind.__module__
    return f"{module}.{getattr(function, '__qualname__', None) or kind.__qualname__}"
