"""Installs and removes trace functions when it is told to, as other tools do, in its threads.

One thread executes jobs in turn, and new threads are started.  The argument "traced" sets a trace
function on that thread at once, and "left" leaves one on its frames only.  Used by
payloads/test_comings_and_goings.py and test_faults_stay_with_us.py.
"""

import sys
import threading

import answering

seen = []
kept = {}
jobs = []
go = threading.Semaphore(0)
done = threading.Semaphore(0)


def tool(frame, event, arg):
    """Trace everything, as a debugger does: a trace function."""
    seen.append(frame.f_code.co_name)
    return tool


def first(n):
    return n + 1  # first


def pool_runs(n):
    return n + 2  # pool


def new_runs(n):
    return n + 3  # new


def pool():
    while True:
        done.release()
        go.acquire()
        jobs.pop()()


def in_pool(job):
    """Have the existing thread execute `job`, a function, and wait for its end."""
    jobs.append(job)
    go.release()
    done.acquire()


def in_new(job):
    """Have a new thread execute `job`; return the exceptions that it raised, as texts."""
    raised = []

    def run():
        try:
            job()
        except BaseException as error:
            raised.append(repr(error))

    usual, threading.excepthook = threading.excepthook, lambda what: raised.append(repr(what))
    one = threading.Thread(target=run)
    one.start()
    one.join()
    threading.excepthook = usual
    return raised


def crowd(count):
    """Start `count` threads side by side; return the exceptions that they raised, as texts."""
    raised = []
    usual, threading.excepthook = threading.excepthook, lambda what: raised.append(repr(what))
    many = [threading.Thread(target=new_runs, args=(n,)) for n in range(count)]
    for one in many:
        one.start()
    for one in many:
        one.join()
    threading.excepthook = usual
    return raised


def come():
    """Set the trace function for new threads, and on the existing one, as a debugger does."""
    threading.settrace(tool)
    in_pool(lambda: sys.settrace(tool))


def leave():
    """Remove the trace function, for new threads and on the existing one."""
    threading.settrace(None)
    in_pool(lambda: sys.settrace(None))


def work():
    """Call functions here, in the existing thread, and in a new one; return exceptions."""
    first(1)
    in_pool(lambda: pool_runs(1))
    return in_new(lambda: new_runs(1))


def keep():
    """Remember the present trace and profile functions, to put them back later as a tool may."""
    kept["hook"] = threading._trace_hook
    kept["profile"] = threading._profile_hook
    in_pool(lambda: kept.update(own=sys.gettrace()))


def put_back():
    """Set the trace and profile functions that `keep` has remembered."""
    threading.settrace(kept["hook"])
    threading.setprofile(kept["profile"])
    in_pool(lambda: sys.settrace(kept["own"]))


def left_behind():
    """Leave a trace function on the frames of this thread, but not on the thread."""
    frame = sys._getframe()
    while frame is not None:
        frame.f_trace = tool
        frame = frame.f_back


def functions_of_frames():
    """Return the names of the trace functions that are set on frames of any thread."""
    names = set()
    for frame in sys._current_frames().values():
        while frame is not None:
            names.add(getattr(frame.f_trace, "__name__", str(frame.f_trace)))
            frame = frame.f_back
    return sorted(names)


def own_begins():
    """Start a coverage of the program's own, of this file."""
    import coverage

    kept["coverage"] = coverage.Coverage(data_file=None, config_file=False, include=[__file__])
    kept["coverage"].start()


def own_ends():
    """Stop that coverage, and return the lines of this file that it has seen."""
    own = kept.pop("coverage")
    own.stop()
    return sorted(own.get_data().lines(__file__) or ())


threading.Thread(target=pool, daemon=True).start()
done.acquire()
if "traced" in sys.argv:
    in_pool(lambda: sys.settrace(tool))
if "left" in sys.argv:
    in_pool(left_behind)
answering.in_thread(globals())
threading.Event().wait()
