"""Start one thread of ours in the target, and get out of the way.

The injector (gdb at a stopped thread, a pending call, PEP 768, pyrasite) has this file executed in
a thread that belongs to the application, possibly deep in its stack.  So it imports nothing that is
not there already, and hands everything else to a thread of its own.  The file is plain ASCII,
because `open` in the target decodes it by the locale there.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # as in `typing`, which is not imported: not in the application's time
if TYPE_CHECKING:
    from typing import Any

# In this order in what covattach has compiled.
FIRST = ("bootstrap", "originals", "launch", "processes.fork_hooks", "module_loader")
# In the codec registry, where the next session finds it again; another number for another class.
FORKS = "covattach.forks.3"
STACK = 1 << 21  # bytes: enough for a thousand frames of Python 3.9
# Seconds for the GIL's switch interval until measuring has begun.  With 25 busy threads each
# read of a file would cost us 25 usual intervals; and a busy thread is held up less at a time.
HURRY = 0.0002


def unpatched(module: str, name: str) -> Any:
    """Return `module.name` as the interpreter has it: our `__import__` is that of originals.py.

    On a patched `_thread`, `start_new_thread` would start a greenlet in the application's hub.
    """
    return getattr(__import__(module), name)


def is_main_thread() -> bool:
    """Tell whether this is the process's first thread; works before `threading` is imported."""
    return bool(unpatched("_thread", "get_native_id")() == os.getpid())


def claim(session: str) -> bool:
    """Return True for the first caller only, and for nobody once covattach has given up.

    PEP 768 runs the script once in *every* thread, and a pending call can fire long after the
    time-out: the token, removed by whoever comes first, is what makes it happen once or never.
    """
    try:
        os.unlink(session + "/token")
    except OSError:
        return False
    return True


def code_of(folder: str, name: str) -> tuple[Any, bytes | None]:
    """Return the code of a payload of `FIRST`; with the last one, the rest of the compiled code.

    It is compiled by covattach, if that fits, or else here, from its text.
    """
    import marshal

    magic: bytes = globals()["IMPORTING"]["MAGIC_NUMBER"]  # bootstrap.py has found it
    if os.path.exists(folder + "/compiled"):
        with open(folder + "/compiled", "rb") as file:
            if file.read(len(magic)) == magic:
                for _ in FIRST[: FIRST.index(name)]:
                    file.seek(int.from_bytes(file.read(4), "little"), 1)  # past the code of that
                code = marshal.loads(file.read(int.from_bytes(file.read(4), "little")))  # noqa: S302
                return code, file.read() if name == FIRST[-1] else None
    with open(folder + "/" + name.replace(".", "/") + ".py", encoding="utf-8") as text:
        return compile(text.read(), "<covattach " + name + ">", "exec"), None


def load(folder: str) -> Any:
    """Return `agent.entry`, brought in by module_loader.py."""
    code, content = code_of(folder, "module_loader")
    space: dict[str, Any] = {"__name__": "_covattach.module_loader"}
    exec(code, space)
    found = space["load"](folder, content, globals().get("MAIN", 0))
    space.clear()  # functions and their names refer to each other
    return found


def start_thread(function: Any, *arguments: Any) -> None:
    """Call `function` in a thread of its own, of which `threading` does not know.

    It gets no signals, not even while it begins: one that the kernel gives to it would not wake
    the application's thread that waits for it.  The size of its stack is ours: that of the
    application's may be too small for what we do.
    """
    import _signal

    before = _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())
    size = unpatched("_thread", "stack_size")
    theirs: list[int] = []
    try:
        start_with_stack(unpatched("_thread", "start_new_thread"), (function, arguments), theirs)
    finally:
        if theirs:
            size(theirs.pop())
        _signal.pthread_sigmask(_signal.SIG_SETMASK, before)


def start_with_stack(start: Any, arguments: tuple[Any, ...], theirs: list[int]) -> None:
    """Start a thread with a stack of STACK bytes, while `theirs` holds the application's size.

    In one call of C that executes no bytecode: no other thread comes in between and takes, or
    changes, a size that is the whole interpreter's.
    """
    from itertools import chain

    size = unpatched("_thread", "stack_size")
    taken = map(theirs.append, map(size, (STACK,)))
    given_back = map(size, map(theirs.pop, (0,)))
    list(chain(taken, map(start, *((one,) for one in arguments)), given_back))


def forks(folder: str) -> Any:
    """Return the hooks of fork_hooks.py, which an earlier session may have registered."""
    import codecs

    try:
        return codecs.lookup_error(FORKS)
    except LookupError:
        space: dict[str, Any] = {"__name__": "_covattach.processes.fork_hooks"}
        exec(code_of(folder, "processes.fork_hooks")[0], space)
        new_lock, ident = (
            unpatched("_thread", "allocate_lock"),
            unpatched("_thread", "get_native_id"),
        )
        found = space["ForkHooks"](new_lock, ident)
        found.register(FORKS)
        return found


def bootstrap(session: str, coming: Any) -> None:
    """Run the agent of `session` in this thread until the session ends; `coming` are the forks.

    Then functions and their names, which refer to each other, are taken apart; not before a fork,
    after which a thread is started again.
    """
    interval = sys.getswitchinterval()
    sys.setswitchinterval(min(interval, HURRY))
    is_over = True
    try:
        coming.let_pass(unpatched("time", "sleep"))
        entry = load(session + "/payloads")
        is_over = entry.run(session, start_thread, unpatched, interval, coming)
    except BaseException:
        sys.setswitchinterval(interval)
        tell_fault(session + "/fault")  # where covattach looks for the reason
    finally:
        coming.end()
        if is_over:
            globals().clear()


def launch(session: str) -> None:
    """Start the agent of `session` (the path of its folder) in a thread of its own, once.

    Called in a thread of the application.  Returns at once.
    """
    if not claim(session):
        return
    if is_main_thread():
        # threading takes the thread that imports it first for the main thread (before 3.13).
        import threading  # noqa: F401
    coming = forks(session + "/payloads")

    def start() -> None:
        try:
            start_thread(bootstrap, session, coming)
        except BaseException:
            coming.end()
            tell_fault(session + "/fault")

    coming.begin(start)


def start_up(tree: str) -> None:
    """Measure this process, a new program of the tree with that folder, from its first line on.

    Called in the main thread, by startup/sitecustomize.py.  Nothing is raised: the program runs,
    measured or not.
    """
    if not os.path.exists(tree + "/children.json") or is_helper():
        return
    import threading  # noqa: F401

    try:
        coming = forks(tree + "/payloads")
        load(tree + "/payloads").start_up(tree, start_thread, unpatched, coming)
    except Exception:
        tell_fault(f"{tree}/fault-of-{os.getpid()}")


def is_helper() -> bool:
    """Tell whether this is the process by which `multiprocessing` keeps track of resources."""
    with open("/proc/self/cmdline", "rb") as file:
        return b"multiprocessing.resource_tracker" in file.read()


def tell_fault(path: str) -> None:
    """Write the traceback of the current exception to a file: nobody is there to raise to.

    If the file may not be opened, by an audit hook say, the name of a FIFO beside it tells.
    """
    error = sys.exc_info()[1]
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(words_of(error))
    except Exception:
        name = f"raised-{error!a}"[:200].replace("/", "|")
        try:
            os.mkfifo(path.rpartition("/")[0] + "/" + name)
        except OSError:
            return  # not our folder, or somebody has given up on us


def words_of(error: BaseException | None) -> str:
    """Return the traceback of an exception; without the lines where nothing can be imported."""
    try:
        import traceback

        return traceback.format_exc()
    except Exception:
        found = []
        here = error.__traceback__ if error is not None else None
        while here is not None:
            code = here.tb_frame.f_code
            found.append(f"  File {code.co_filename!r}, line {here.tb_lineno}, in {code.co_name}\n")
            here = here.tb_next
        return "".join(found) + repr(error)


if "SESSION" in globals():
    launch(globals()["SESSION"])
elif "TREE" in globals():
    start_up(globals()["TREE"])
