"""Start the agent's thread in the target, without holding up the application.

The injector (gdb at a stopped thread, a pending call, PEP 768, pyrasite) has this executed in an
application thread, possibly deep in its stack.  So it imports nothing that is not there already,
and leaves everything else to the new thread.  The file is plain ASCII, because `open` in the target
decodes it by the locale there.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # as in `typing`, which is not imported: not in the application's time
if TYPE_CHECKING:
    from typing import Any

# The payloads at the beginning of the file `compiled`, in this order.
FIRST = ("bootstrap", "unpatched", "originals", "launch", "processes.fork_hooks", "module_loader")
# The name of the fork hooks in the codec registry, where the next session finds them.  The number
# changes with their class.
FORKS = "covattach.forks.3"
STACK = 1 << 21  # bytes: enough for a thousand frames of Python 3.9
# The GIL's switch interval, in seconds, until measuring has begun.  With 25 busy threads each read
# of a file would cost us 25 default intervals; and busy threads are held up less at a time.
HURRY = 0.0002


def unpatched(module: str, name: str) -> Any:
    """Return the attribute `name` of `module` as the interpreter has it, not as gevent replaced it.

    Our `__import__` is that of originals.py.  A patched `start_new_thread` would start a greenlet
    in the application's hub.
    """
    return getattr(__import__(module), name)


def is_main_thread() -> bool:
    """Tell whether this is the process's first thread; works before `threading` is imported."""
    return bool(unpatched("_thread", "get_native_id")() == os.getpid())


def claim(session: str) -> bool:
    """Return True for the first caller only, and for nobody once covattach has given up.

    PEP 768 runs the script in *every* thread, and a pending call can fire long after the time-out.
    The first caller removes the token in the folder `session`: the launch happens once or never.
    """
    try:
        os.unlink(session + "/token")
    except OSError:
        return False
    return True


def code_of(folder: str, name: str) -> tuple[Any, bytes | None]:
    """Return the code object of `name`, one of FIRST, and None or the code of all other payloads.

    `folder` has the payloads.  Compiled code is used if it is for this version of Python; otherwise
    the source is compiled here.  The second value comes with the last of FIRST, from compiled code.
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
    """Return the module `agent.entry`; module_loader.py loads it, and all others, from `folder`."""
    code, content = code_of(folder, "module_loader")
    space: dict[str, Any] = {"__name__": "_covattach.module_loader"}
    exec(code, space)
    found = space["load"](folder, content, globals().get("MAIN", 0))
    space.clear()  # functions and their namespace are a reference cycle
    return found


def start_thread(function: Any, *arguments: Any) -> None:
    """Call `function` in a new thread that `threading` does not know of, with all signals blocked.

    They are blocked from its beginning: a signal that the kernel gives to it would not wake the
    application's thread that waits for it.  The stack has STACK bytes: the application's size may
    be too small.
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
    """Call `start` with `arguments`, to start a thread with a stack of STACK bytes.

    `theirs`, an empty list, has the application's size meanwhile.  The size is the interpreter's.
    So it is set and restored in one C call that executes no bytecode: no other thread comes in
    between.
    """
    from itertools import chain

    size = unpatched("_thread", "stack_size")
    taken = map(theirs.append, map(size, (STACK,)))
    given_back = map(size, map(theirs.pop, (0,)))
    list(chain(taken, map(start, *((one,) for one in arguments)), given_back))


def forks(folder: str) -> Any:
    """Return the ForkHooks of this process: those of an earlier session, or else new ones."""
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
    """Run the agent in this thread, until the session in the folder `session` ends, or for a fork.

    `coming` are the ForkHooks.  After the session this namespace, a reference cycle, is cleared.
    It stays at a fork, after which a new thread is started.
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
    """Begin to measure this process, a new program of the tree with the folder `tree`.

    Called by startup/sitecustomize.py in the main thread, before the program's first line.  A fault
    is written to a file in that folder: the program runs, measured or not.
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
    """Write the traceback of the current exception to the file at `path`, where covattach looks.

    If no file can be opened, because of an audit hook say, the exception is in the name of a FIFO.
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
            return  # covattach has given up and removed the folder, or it is not ours


def words_of(error: BaseException | None) -> str:
    """Return the traceback of `error`, the current exception, as text.

    Source lines are missing where `traceback` cannot be imported.
    """
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
