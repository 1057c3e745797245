"""Runs greenlets of one kind, its argument, that are suspended until `go.set()` resumes them.

With two more arguments, "lines" or "arcs" and a core, stock coverage measures it from the start.
Comments at the ends of lines are their names, by which tests say which line follows which.  Used by
payloads/test_greenlets.py.
"""

import _thread
import os
import sys
import threading

import answering
import referee

how = sys.argv[1]
pause = go = None  # until it is known which kind of greenlets runs
kept = []
followers = []  # the function that greenlet calls after each switch in the main thread


def work(number):
    if number % 2:  # odd
        number += 1  # add
    return number  # worked


def waits(number):
    try:  # trying
        pause()  # pause
        if number:  # check
            number = work(number)  # work
        for _ in range(2):  # for
            pause()  # again
        kept.append(number)  # kept
    finally:
        number = 0  # finally


def steps():
    value = 1  # first
    while value < 3:  # while
        pause()  # paused
        yield value  # yield
        value += 1  # more


def takes():
    for value in steps():  # taking
        work(value)  # take


def loops():
    for _ in range(99):  # looping
        pause()  # looped


def new():
    work(2)  # newly


def many(count):
    """Run `count` greenlets to their end, one after the other."""
    for number in range(count):
        sys.modules["greenlet"].greenlet(work).switch(number)
    return count


class End:
    """An event that other threads wait for, by a lock that gevent or eventlet has not patched."""

    def __init__(self):
        self.lock = _thread.allocate_lock()
        self.lock.acquire()

    def wait(self, seconds):
        """Return whether it is set within so many seconds."""
        return self.lock.acquire(timeout=seconds)

    def set(self):
        """Set the event, once."""
        self.lock.release()


ended = End()


class Gate:
    """A gate that another thread opens by calling `wake`; greenlets wait until then."""

    def __init__(self, wake):
        self.wake = wake

    def set(self):
        """Open the gate."""
        self.wake()


def of_greenlet(is_bare=False):
    """Run plain greenlets in a thread, which switches to them one after the other.

    With `is_bare`, the line that switches away calls greenlet's `switch` itself, not a function.
    """
    import greenlet

    opened = threading.Event()

    def runs():
        switch = greenlet.getcurrent().switch
        globals()["pause"] = switch if is_bare else lambda: switch()
        suspended = [greenlet.greenlet(waits), greenlet.greenlet(waits), greenlet.greenlet(takes)]
        looping = greenlet.greenlet(loops)
        suspended[0].switch(1)
        suspended[1].switch(0)
        suspended[2].switch()
        looping.switch()
        opened.set()
        go.opened.wait()
        while any(suspended):
            for one in suspended:
                one.switch()
        looping.switch()
        looping.throw()
        greenlet.greenlet(new).switch()
        ended.set()

    globals()["go"] = referee.Gate()
    threading.Thread(target=runs, daemon=True).start()
    opened.wait()
    answering.in_thread(globals())
    threading.Event().wait()


def of_bare():
    """Run plain greenlets, without a Python function between a line and the switch."""
    of_greenlet(is_bare=True)


def serve(start_thread, wake):
    """Make the gate, and answer in a real thread, which `start_thread` starts."""
    globals()["go"] = Gate(wake)
    start_thread(answering.answer, (globals(),))
    os.write(1, b"ready\n")


def of_gevent():
    """Run greenlets of gevent, with everything patched, in the main thread."""
    import gevent
    import gevent.event
    import gevent.monkey

    start_thread = gevent.monkey.get_original("_thread", "start_new_thread")
    gevent.monkey.patch_all()
    opened = gevent.event.Event()
    watcher = gevent.get_hub().loop.async_()
    watcher.start(opened.set)

    def pause():
        opened.wait()
        gevent.sleep(0)

    globals()["pause"] = pause
    suspended = [gevent.spawn(waits, 1), gevent.spawn(waits, 0), gevent.spawn(takes)]
    looping = gevent.spawn(loops)
    gevent.sleep(0)
    serve(start_thread, watcher.send)
    gevent.joinall(suspended)
    gevent.spawn(new).join()
    looping.kill()
    ended.set()
    while True:
        gevent.sleep(0.01)
        followers[:] = [repr(sys.modules["greenlet"].gettrace())]


def of_eventlet():
    """Run greenlets of eventlet, with everything patched, in the main thread."""
    start_thread = _thread.start_new_thread
    import eventlet
    import eventlet.event
    import eventlet.hubs

    eventlet.monkey_patch(os=False)
    opened = eventlet.event.Event()
    reader, writer = os.pipe()

    def pause():
        opened.wait()
        eventlet.sleep(0)

    def opens():
        eventlet.hubs.trampoline(reader, read=True)
        opened.send()

    globals()["pause"] = pause
    suspended = [eventlet.spawn(waits, 1), eventlet.spawn(waits, 0), eventlet.spawn(takes)]
    looping = eventlet.spawn(loops)
    eventlet.spawn(opens)
    eventlet.sleep(0)
    serve(start_thread, lambda: os.write(writer, b"x"))
    for one in suspended:
        one.wait()
    eventlet.spawn(new).wait()
    looping.kill()
    ended.set()
    while True:
        eventlet.sleep(1)


if len(sys.argv) > 2:
    referee.begin(*sys.argv[2:])
globals()["of_" + how]()
