"""Functions and clocks that nobody has patched: how they are recognised, and come by.

This is executed before originals.py, in its namespace.  Nothing is imported here.
"""

TYPE_CHECKING = False  # as in `typing`, which is not imported: not in the application's time
if TYPE_CHECKING:
    from typing import Any

ANCHORED = 10.0  # seconds between readings of the time of day; the monotonic clock fills the gaps
DATA = (bool, int, float, str, bytes, tuple, list, dict, set, frozenset, type(None))
PUBLIC = {"posix": "os", "_socket": "socket"}  # C modules, and the `__module__` of their classes
FUNCTION: "Any" = type(lambda: None)
BUILTIN: "Any" = type("".join)


def is_original(found: "Any", name: str, module: str) -> bool:
    """Tell whether `found` is the C function `module.name`, by the names that it has itself."""
    return type(found) is BUILTIN and found.__name__ == name and found.__module__ == module


def is_trusted(found: "Any", name: str, module: str) -> bool:
    """Tell whether `found`, as `name` in a C module, is a function, class or data of its own."""
    if type(found) is BUILTIN:
        return is_original(found, name, module)
    if type(found) is type:
        return found.__module__ in (module, PUBLIC.get(module), "builtins")
    return type(found) in DATA


def is_of_python(found: "Any", name: str, space: "Any") -> bool:
    """Tell whether `found`, as `name` in `os`, is from os.py itself; `space` is its namespace."""
    if type(found) is FUNCTION:
        return found.__globals__ is space
    if isinstance(found, type):
        return found.__module__ in ("os", "builtins")
    return type(found) in DATA or name in ("environ", "environb")


def protect_clocks(time: "Any", posix: "Any") -> None:
    """Replace the clocks of `time`, a private module: time-machine changes functions in C.

    On Linux `perf_counter` is the monotonic clock.  The time of day is the time stamp of a new
    pipe.  `posix` is the private module of that name.
    """
    local, strftime = time.localtime, time.strftime
    last = [0.0, -ANCHORED]

    def wall() -> float:
        now = time.perf_counter()
        if now - last[1] >= ANCHORED:
            last[:] = time_of_day(time, posix), now
        return float(last[0] + now - last[1])

    time.monotonic, time.time = time.perf_counter, wall
    time.strftime = lambda words: strftime(words, local(wall()))


def time_of_day(time: "Any", posix: "Any") -> float:
    """Return the seconds since 1970, by the kernel's stamp on a new pipe."""
    try:
        ends = posix.pipe2(posix.O_CLOEXEC)
        known = posix.fstat(ends[0])
    except OSError:  # there is no descriptor left, or the application has closed it
        return float(time.clock_gettime(time.CLOCK_REALTIME))
    for end in ends:  # unless the application has closed it, and reuses its number
        try:
            if posix.fstat(end)[1:3] == known[1:3]:
                posix.close(end)
        except OSError:
            continue
    return float(known.st_mtime)
