"""Traces, profiles or measures itself, in the way of its argument, before it is attached to.

`traced_on()` and `profiled_on()` tell whether its own tool still works.  Used by
integration/test_trace.py, payloads/test_coexistence.py, test_bringing_in.py and test_requests.py.
"""

import os
import sys
import threading

import answering

calls = []
refusing = {}
go = threading.Semaphore(0)
done = threading.Semaphore(0)
how = sys.argv[1]


def follow(frame, event, arg):
    """Trace everything: a trace function that appends the events of `later` to `calls`."""
    if frame.f_code is later.__code__:
        calls.append(event)
    return follow


def glance(frame, event, arg):
    """Append each event to `calls`: a trace function for calls only, or a profile function."""
    calls.append(event)


def later():
    calls.append("")  # later
    return len(calls)  # later


def begin():
    """Have the existing thread traced by `follow`, and those that start from now on."""
    global how
    how = "frame"
    go.release()
    done.acquire()
    threading.settrace(follow)


def thread():
    if how == "frame":
        sys.settrace(follow)
    if how == "silent":
        sys.settrace(glance)
    if how == "setprofile":
        sys.setprofile(glance)
    work()


def work():
    while True:
        done.release()
        go.acquire()
        later()
        if how == "frame" and sys.gettrace() is not follow:
            begin_here()


def begin_here():
    """Trace the running thread and its frame from here on, once, if the argument is "later"."""
    if sys.argv[1] == "later" and not any(calls):
        sys.settrace(follow)
        sys._getframe(1).f_trace = follow


def listen():
    """Add an audit hook that raises PermissionError, once, for each event in `refusing`.

    `refusing` maps an event to how many of them are let through before.
    """

    def hook(name, _):
        if name in refusing:
            refusing[name] -= 1
            if refusing[name] < 0:
                del refusing[name]
                raise PermissionError(name)

    sys.addaudithook(hook)


def told():
    """Return how many events the trace or profile function has been called with."""
    return len(calls) - calls.count("")


def grows():
    """Have a thread call `later`; return whether the trace or profile function was called."""
    before = told()
    if how == "hook":
        new = threading.Thread(target=later)
        new.start()
        new.join()
    else:
        go.release()
        done.acquire()
    return told() > before


traced_on = grows


def profiled_on():
    """Whether the profiler still sees calls of `later`."""
    if how == "setprofile":
        return grows()
    profiler.disable()
    before = counted()
    profiler.enable()
    later()
    profiler.disable()
    return counted() > before


def counted():
    return sum(entry.callcount for entry in profiler.getstats() if entry.code is later.__code__)


def own_lines():
    """Return how many lines of this file the program's own coverage has seen."""
    return len(own.get_data().lines(__file__) or ())


if how == "hook":
    threading.settrace(follow)
if how == "cProfile":
    import cProfile

    profiler = cProfile.Profile()
if how == "coverage":
    import coverage.control

    with open("its-own-config", "w") as file:
        file.write("[run]\ndata_file = its-own-data\nbranch = false\ncore = ctrace\n")
    os.environ["COVERAGE_PROCESS_START"] = "its-own-config"
    coverage.process_startup()
    own = coverage.Coverage.current()
if how == "api":
    import coverage

    own = coverage.Coverage(data_file="its-own-data", config_file=False)
    own.start()
worker = threading.Thread(target=thread, daemon=True)
worker.start()
done.acquire()
answering.in_thread(globals())
threading.Event().wait()
