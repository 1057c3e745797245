"""Other tools come and go, as tests ask for: a thread executes jobs, and new threads begin."""

import sys
import threading

import answering

seen = []
kept = {}
jobs = []
go = threading.Semaphore(0)
done = threading.Semaphore(0)


def tool(frame, event, arg):
    """Trace everything, as a debugger does."""
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
    """Have the thread that is there already execute a function, and wait until it has."""
    jobs.append(job)
    go.release()
    done.acquire()


def in_new(job):
    """Have a new thread execute a function; return the exceptions it raised."""
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
    """Have many threads begin side by side; return the exceptions any of them raised."""
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
    """Be a debugger that traces new threads, and the one that is there."""
    threading.settrace(tool)
    in_pool(lambda: sys.settrace(tool))


def leave():
    """Be gone."""
    threading.settrace(None)
    in_pool(lambda: sys.settrace(None))


def work():
    """Do something in both kinds of threads."""
    first(1)
    in_pool(lambda: pool_runs(1))
    return in_new(lambda: new_runs(1))


def keep():
    """Keep the present trace and profile functions, as a tool does that puts them back later."""
    kept["hook"] = threading._trace_hook
    kept["profile"] = threading._profile_hook
    in_pool(lambda: kept.update(own=sys.gettrace()))


def put_back():
    """Put the kept trace and profile functions back."""
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
    """Return the names of the trace functions that frames have."""
    names = set()
    for frame in sys._current_frames().values():
        while frame is not None:
            names.add(getattr(frame.f_trace, "__name__", str(frame.f_trace)))
            frame = frame.f_back
    return sorted(names)


def own_begins():
    """Begin a coverage of this program's own."""
    import coverage

    kept["coverage"] = coverage.Coverage(data_file=None, config_file=False, include=[__file__])
    kept["coverage"].start()


def own_ends():
    """End it, and return the lines that it has."""
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
