"""The C tracer in threads that run greenlets: one tracer for a thread, one stack for a greenlet.

coverage's tracer keeps the stacks apart by asking which greenlet is the current one, at each call
and return.  Four things that it misses are made up for here:

- the greenlets that were suspended when it began, whose stacks it is told of;
- a line that comes right after a switch, which it would count for the greenlet before;
- greenlets that were started as threads, for which coverage would begin with a new tracer;
- the stacks of greenlets that have ended, 0.7 KB each, which it would keep.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any
from weakref import WeakKeyDictionary, getweakrefs, ref

from ...interpreter import frames, greenlets


class Follower:
    """The callback of greenlet after each switch in one thread (`greenlet.settrace`).

    `tracer` is coverage's tracer in that thread.  `before` is the callback that was set before, or
    None; it is called as well.
    """

    def __init__(self, tracer: Any, before: Any) -> None:
        self.tracer = tracer
        # A follower of an earlier session is still set if this thread has not switched since.
        is_ours = type(before).__module__ == type(self).__module__
        self.before: Any = before.before if is_ours else before

    def __call__(self, event: str, switched: Any) -> None:
        """Have the tracer find the stack of the greenlet that runs since this switch."""
        tracer = self.tracer
        if tracer is None:
            self.uninstall()
        else:
            # A call and a return, in a file that is not measured, leave all else as it was.
            frame = sys._getframe()
            tracer(frame, "call", None)
            tracer(frame, "return", None)
        if self.before is not None:
            self.before(event, switched)

    def uninstall(self) -> None:
        """Put back the callback that was there before, in this thread."""
        module: Any = sys.modules["greenlet"]
        if module.gettrace() is self:
            module.settrace(self.before)


class StackNumbers(WeakKeyDictionary[Any, int]):
    """A mapping from greenlets to a tracer's stack numbers, which reuses those of ended greenlets.

    It replaces the tracer's own. coverage looks a greenlet's number up by `[]`, and makes a stack
    with a new number where that fails (CTracer_set_pdata_stack, coverage/ctracer/tracer.c).
    """

    data: dict[Any, int]
    free: list[int]
    _remove: Any  # is called at the end of a greenlet

    def __getitem__(self, greenlet: Any) -> int:
        try:
            return self.data[ref(greenlet)]
        except KeyError:
            if not self.free:
                raise
        number = self.free.pop()
        self.data[ref(greenlet, self._remove)] = number
        return number

    def begin(self) -> None:
        """Collect the numbers of greenlets that end from now on, to be used again."""
        data = self.data
        free: list[int] = []

        def end(greenlet: Any) -> None:
            number = data.pop(greenlet, None)
            if number is not None:
                free.append(number)

        self.free, self._remove = free, end


class FakeGreenlet:
    """A stand-in for a greenlet, by which `reuse_stacks` finds a tracer's mapping."""


def reuse_stacks(tracer: Any) -> None:
    """Have a tracer use the stacks of ended greenlets again.

    Its mapping from greenlets to stack numbers can be reached only through the weak references of a
    greenlet that is in it.
    """
    fake = FakeGreenlet()
    usual, tracer.concur_id_func = tracer.concur_id_func, lambda: fake
    try:
        tracer(sys._getframe(), "return", None)  # harmless: this stack is empty
        known: Any = getweakrefs(fake)[0].__callback__
        numbers = known.__defaults__[0]()
        numbers.__class__ = StackNumbers
        numbers.begin()
    finally:
        tracer.concur_id_func = usual


class GreenletTracers:
    """Starts coverage's tracers in threads, and has them follow greenlets where there are any.

    `tell` is a function that tells a tracer of one frame.
    """

    def __init__(self, collector: Any, tell: Callable[[Any, FrameType], None]) -> None:
        self.collector = collector
        self.tell = tell
        self.begin: Any = collector._start_tracer
        self.suspended: list[ref[Any]] = []  # at the start; it may have been resumed since
        self.of_threads: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
        self.followers: list[ref[Follower]] = []
        collector._start_tracer = self.for_new_thread

    def for_new_thread(self) -> Any:
        """Start tracing in a thread that begins, and return its tracer.

        For gevent and eventlet such a thread can be a greenlet; it gets the tracer of its real
        thread.
        """
        root = greenlets.root()
        tracer = None if root is None else self.of_threads.get(root)
        if tracer is None:
            return self.start(root)
        tracer.start()
        return tracer

    def start(self, root: Any) -> Any:
        """Start a tracer in this thread, and return it.

        `root` is the thread's main greenlet, None in an application without greenlets.
        """
        self.begin()
        tracer: Any = sys.gettrace()
        if root is not None and tracer is not None:
            self.of_threads[root] = tracer
            reuse_stacks(tracer)
            self.follow(tracer)
            self.tell_suspended(tracer, root)
        return tracer

    def follow(self, tracer: Any) -> None:
        """Have the tracer follow the greenlet switches of this thread, by a `Follower`."""
        module: Any = sys.modules["greenlet"]
        follower = Follower(tracer, module.gettrace())
        module.settrace(follower)
        self.followers = [*(one for one in self.followers if one() is not None), ref(follower)]

    def tell_suspended(self, tracer: Any, root: Any) -> None:
        """Tell a new tracer of the stacks of this thread's greenlets that are suspended."""
        frame_of = greenlets.kind().gr_frame.__get__
        usual = tracer.concur_id_func
        try:
            for one in self.suspended:
                greenlet = one()
                top = None if greenlet is None else frame_of(greenlet)
                if top is not None and greenlets.root_of(greenlet) is root:
                    tracer.concur_id_func = one  # which returns it when it is called
                    for frame in reversed(list(frames.stack(top))):
                        self.tell(tracer, frame)
        finally:
            tracer.concur_id_func = usual

    def stop(self) -> None:
        """Forget the tracers; remove followers, in other threads at their next switch."""
        self.of_threads.clear()
        self.suspended = []
        for one in self.followers:
            follower = one()
            if follower is not None:
                follower.tracer = None
                follower.uninstall()
