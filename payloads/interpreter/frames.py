"""The frames of all threads as they are now, suspended ones of generators, and their owners."""

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

# Whether a traced frame may not know its line.  Before 3.10 it is noted only at trace events, and
# when the trace function is set in Python: coverage's tracer sets its own in C.
STALE = sys.version_info[:2] < (3, 10)
# How the names of our files begin, and of coverage's, which stay known when it is stashed.
INSIDE = {"<covattach "}
PATIENCE = 2.0  # seconds to wait for other threads to leave our code and coverage's


def stack(frame: FrameType | None) -> Iterator[FrameType]:
    """Yield `frame` and its callers, innermost first."""
    while frame is not None:
        yield frame
        frame = frame.f_back


def of_threads() -> Callable[[], dict[int, FrameType]]:
    """Return the C function that returns the innermost frame of each thread, by its identifier.

    Where subinterpreters make that unsafe, it is a function that returns an empty dictionary.  Then
    functions that run already are measured only once they are entered anew, as `start` warns.
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


def add_package(package: Any) -> None:
    """Have `is_inside` know the code of `package`, the imported coverage, from now on."""
    file = getattr(package, "__file__", None)
    if file:
        INSIDE.add(file.rpartition("/")[0] + "/")


def is_inside(frame: FrameType) -> bool:
    """Tell whether a frame executes our code or coverage's."""
    return frame.f_code.co_filename.startswith(tuple(INSIDE))


def is_alone() -> bool:
    """Tell whether no other thread executes our code or coverage's."""
    return not any(map(is_inside, all_running(own_ident())))


def is_fault_of_ours(error: BaseException) -> bool:
    """Tell whether an exception that was caught in our code is a fault of ours, or of coverage's.

    It may have been raised in a module of the library that we have called.  It is not ours if a
    signal handler, trace function or profile function of the application's raised it: the
    interpreter calls these in our code.  Nor is it if another thread has sent it by
    `PyThreadState_SetAsyncExc`; that was raised nowhere, and is known by a class not of builtins.
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
    """Return the frames in an exception's traceback, outermost first."""
    found = []
    traceback = error.__traceback__
    while traceback is not None:
        found.append(traceback.tb_frame)
        traceback = traceback.tb_next
    return found


def is_interrupted_by(frame: FrameType, called: FrameType) -> bool:
    """Tell whether the interpreter itself has called the function of `called` while at `frame`.

    Then `frame`, or its code, is an argument of the call: nobody else passes these.
    """
    given = [*called.f_locals.values()]
    given += [one for several in given if type(several) is tuple for one in several]
    return any(one is frame or one is frame.f_code for one in given)


def in_file_of(function: Any) -> Callable[[FrameType], bool]:
    """Return a function that tells whether a frame's code is in the same file as `function`."""
    file = function.__code__.co_filename
    return lambda frame: frame.f_code.co_filename == file


def wait_for_others(is_there: Callable[[FrameType], bool] = is_inside) -> bool:
    """Wait until no other thread executes our code or coverage's; False if one does for long.

    The C tracer calls coverage, and must still be there when that returns.  `is_there` tells which
    frames count, for a part of our code: the agent of an attach that was killed stays in its own
    for a while.  The wait ends after PATIENCE seconds.
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
    """Return the qualified name of a trace function, or of its class, with the module."""
    function = getattr(function, "func", function)  # of a partial object
    kind = type(function)
    module = getattr(function, "__module__", None) or kind.__module__
    return f"{module}.{getattr(function, '__qualname__', None) or kind.__qualname__}"
