"""The first code of ours that runs in the target: start one thread, and get out of the way.

Whoever injects (gdb at a stopped thread, a pending call, PEP 768, pyrasite) executes this file
in a thread that belongs to the application, possibly deep in its stack.  So it imports nothing
that is not there already, and hands everything else to a thread of its own.
The file is plain ASCII, because `open` in the target decodes it with whatever locale is there.
"""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import Any

# Dependencies first: each module finds the ones before it when it is executed.
MODULES = (
    "native",
    "main_thread",
    "gil",
    "frames",
    "later",
    "library",
    "tracers",
    "windows",
    "snapshot",
    "codes",
    "adopt_sysmon",
    "every_thread",
    "adopt_ctrace",
    "company",
    "measure",
    "cost",
    "ending",
    "wire",
    "faults",
    "forks",
    "imported",
    "session",
    "agent",
)
PACKAGE = "_covattach"
KEEP = "covattach.payloads"
# Seconds for the GIL's switch interval until measuring has begun.  With 25 busy threads each
# read of a file would cost us 25 usual intervals; and a busy thread is held up less at a time.
HURRY = 0.0002
SETTLING = 0.01  # seconds in which the main thread sees a SIGTERM that had come before


def original(module: str, name: str) -> Any:
    """Return `module.name` as it was before gevent or eventlet replaced it.

    On a patched `_thread`, `start_new_thread` would start a greenlet in the application's hub.
    """
    gevent = sys.modules.get("gevent.monkey")
    if gevent is not None:
        return gevent.get_original(module, name)
    eventlet = sys.modules.get("eventlet.patcher")
    if eventlet is not None:
        return getattr(eventlet.original(module), name)
    return getattr(__import__(module), name)


def is_main_thread() -> bool:
    """Tell whether this is the process's first thread; works before `threading` is imported."""
    return bool(original("_thread", "get_native_id")() == os.getpid())


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


class Keeper:
    """What the codec registry takes for an error handler; holds the agent's module."""

    def __init__(self, key: int, agent: Any) -> None:
        self.key = key
        self.agent = agent

    def __call__(self, error: UnicodeError) -> tuple[str, int]:
        """Raise what it was called for."""
        raise error


def contents(folder: str) -> Any:
    """Return the payload modules as they came: compiled, as bytes, if that fits; or their texts."""
    from importlib import _bootstrap_external as system

    magic: bytes = system.MAGIC_NUMBER
    if os.path.exists(folder + "/compiled"):
        with open(folder + "/compiled", "rb") as file:
            content = file.read()
        if content.startswith(magic):
            return content[len(magic) :]
    texts = []
    for name in MODULES:
        with open(folder + "/" + name + ".py", encoding="utf-8") as file:
            texts.append(file.read())
    return tuple(texts)


def load(folder: str) -> Any:
    """Return the last of the payload modules of `folder`, the agent.

    An earlier session has kept it, if the modules are the same; otherwise they are executed.  In
    the codec registry, as `library` keeps coverage: made anew for each session, half a megabyte
    of modules and functions that refer to each other would wait for the garbage collector.
    """
    import codecs

    content = contents(folder)
    try:
        keeper: Any = codecs.lookup_error(KEEP)
    except LookupError:
        keeper = None
    if keeper is None or keeper.key != hash(content):
        keeper = Keeper(hash(content), execute(content))
        codecs.register_error(KEEP, keeper)
    return keeper.agent


def execute(content: Any) -> Any:
    """Execute the payload modules, of these `contents`, and return the last one.

    They see each other as the package `_covattach`, which is in `sys.modules` only meanwhile.
    The file names start with `<`, which is how coverage knows that they are not to be measured.
    """
    import marshal

    if isinstance(content, bytes):
        found = marshal.loads(content)  # noqa: S302  # it is covattach's
        content = [found[name] for name in MODULES]
    package: Any = ModuleType(PACKAGE)
    package.__path__ = []
    sys.modules[PACKAGE] = package
    module: Any = package
    try:
        for name, code in zip(MODULES, content):
            if isinstance(code, str):
                code = compile(code, "<covattach " + name + ">", "exec")
            module = ModuleType(PACKAGE + "." + name)
            module.__package__ = PACKAGE
            sys.modules[module.__name__] = module
            exec(code, module.__dict__)
            setattr(package, name, module)
    finally:
        for name in MODULES:
            sys.modules.pop(PACKAGE + "." + name, None)
        del sys.modules[PACKAGE]
    return module


def bootstrap(session: str, handler: Any) -> None:
    """Run the agent of `session` in this thread until the session ends."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(min(interval, HURRY))
    try:
        load(session + "/payloads").run(session, handler, original, interval)
    except BaseException:
        sys.setswitchinterval(interval)
        if handler is not None:
            give_sigterm_back(handler)
        if os.path.isdir(session):  # otherwise somebody has given up on us
            # Nobody is there to raise to: this file is where covattach looks for the reason.
            import traceback

            with open(session + "/fault", "w", encoding="utf-8") as file:
                file.write(traceback.format_exc())


def take_sigterm() -> Any:
    """Take SIGTERM if the application has not, so that a last snapshot can be saved.

    Only the main thread may do this, and it may be blocked for good afterwards: so it happens
    here, while we are in it.  Until the agent puts a function into the handler's `saves`, and
    after it took it out again, the handler does just what the default does.
    faulthandler is told first, only because it keeps what it finds in the kernel, the default,
    and can put that back from any thread: see `give_sigterm_back`.
    Returns the handler, or None where the application has one: that ends through `atexit`.
    """
    import _signal
    import faulthandler

    if _signal.getsignal(_signal.SIGTERM) != _signal.SIG_DFL or is_caught_in_c(_signal.SIGTERM):
        return None

    def handler(signum: int, frame: object) -> None:
        for save in handler.saves:  # type: ignore[attr-defined]
            save()
        _signal.signal(signum, _signal.SIG_DFL)
        if not handler.given_back:  # type: ignore[attr-defined]
            os.kill(os.getpid(), signum)

    handler.saves = []  # type: ignore[attr-defined]
    handler.given_back = False  # type: ignore[attr-defined]
    handler.give_back = give_sigterm_back  # type: ignore[attr-defined]
    faulthandler.register(_signal.SIGTERM, file=2)
    _signal.signal(_signal.SIGTERM, handler)
    return handler


def give_sigterm_back(handler: Any) -> bool:
    """Make SIGTERM what it was: the default, which `take_sigterm` had found there.

    `signal.signal` is for the main thread only.  So the kernel is told at once, by faulthandler;
    from then on SIGTERM does not come to Python any more.  Python's own table the handler itself
    clears, which the main thread calls when it next runs: told that it is not meant.
    Returns False on 3.9, where `interrupt_main` knows no signal but SIGINT: the table is left.
    """
    import _signal
    import faulthandler
    import time

    if _signal.getsignal(_signal.SIGTERM) is not handler:
        return True
    faulthandler.unregister(_signal.SIGTERM)
    time.sleep(SETTLING)
    handler.given_back = True
    if sys.version_info < (3, 10):
        return False
    original("_thread", "interrupt_main")(_signal.SIGTERM)
    return True


def is_caught_in_c(signum: int) -> bool:
    """Tell whether C code handles a signal, of which Python does not know."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        caught = file.read().partition("SigCgt:")[2].split()[0]
    return bool(int(caught, 16) >> (signum - 1) & 1)


def launch(session: str) -> None:
    """Start the agent of `session` (the path of its folder) in a thread of its own, once.

    Called in a thread of the application.  Returns at once.
    """
    if not claim(session):
        return
    handler = None
    if is_main_thread():
        # threading takes the thread that imports it first for the main thread (before 3.13).
        import threading  # noqa: F401

        handler = take_sigterm()
    original("_thread", "start_new_thread")(bootstrap, (session, handler))


if "SESSION" in globals():
    launch(globals()["SESSION"])
