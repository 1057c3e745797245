"""Replaces functions of the standard library, in the way of its argument, when it is told to.

It goes on by the functions that it has kept, and answers as answering.py does.  Used by
payloads/test_replaced.py and stress/test_hazards.py.
"""

import builtins
import json
import os
import select
import socket
import sys
import threading
import time

read, write, leave, sleep = os.read, os.write, os._exit, time.sleep
encode, evaluate, execute = json.JSONEncoder(default=repr).encode, eval, exec
called = []
lines = []


def later():
    """Execute a line that had not been executed before."""
    lines.append("later")  # later
    return len(lines)


def guard(module, name):
    """Replace a module's function by one that notes its calls in `called`, and raises."""

    def refuse(*arguments, **keywords):
        called.append(f"{module.__name__}.{name}")
        raise PermissionError(f"{module.__name__}.{name} is not to be used")

    setattr(module, name, refuse)


def clocks():
    """Replace the clocks by some that stand still, as tools that simulate dates do."""
    for name in ("monotonic", "perf_counter", "thread_time", "process_time"):
        setattr(time, name, lambda: 1000.0)
        setattr(time, name + "_ns", lambda: 10**12)
    time.time, time.time_ns = (lambda: 1.5e9), (lambda: 15 * 10**17)
    time.localtime = time.gmtime = lambda *_: time.struct_time((2017, 7, 14, 2, 40, 0, 4, 195, 0))
    time.strftime = lambda *_: "2017-07-14"
    time.sleep = lambda *_: None


def guarded():
    """Have the functions for files, sockets and threads raise, and those of `os`."""
    guard(builtins, "open")
    guard(builtins, "eval")
    usual = builtins.__import__

    def guarded_import(name, *how):
        """Refuse to import some modules, except into the standard library."""
        allowed = how and how[0] and how[0].get("__spec__")
        if not allowed and name in ("os", "time", "select", "socket", "_socket", "json", "_thread"):
            called.append(f"import {name}")
            raise ImportError(f"{name} is not to be imported")
        return usual(name, *how)

    builtins.__import__ = guarded_import
    guard(sys.modules["io"], "open")
    for name in dir(os):  # not of `posix`: importlib, which itself uses that, would be of no use
        if type(getattr(os, name)) is type(len) and name not in ("_exit", "fspath"):
            guard(os, name)
    for name in ("exists", "isfile", "isdir", "abspath", "realpath", "join"):
        guard(os.path, name)
    guard(socket, "socket")
    guard(select, "poll")
    guard(json, "loads")
    guard(json, "dumps")


def emptied():
    """Delete the functions that are not to be used from their modules."""
    for name in ("open", "eval", "compile"):
        delattr(builtins, name)
    for module in (os, time, select, socket, os.path, json):
        for name, one in list(vars(module).items()):
            if type(one) is type(len) or (module is not os and callable(one)):
                delattr(module, name)


def withheld():
    """Have `exec` raise; the import system has its own."""
    guard(builtins, "exec")


def audited():
    """Add an audit hook that lets nobody open a file."""

    def hook(event, arguments):
        if event == "open":
            raise RuntimeError("no file is to be opened")

    sys.addaudithook(hook)


def unmonitored():
    """Add an audit hook that refuses every callback for `sys.monitoring`."""

    def hook(event, arguments):
        if event == "sys.monitoring.register_callback":
            raise RuntimeError("nothing is to be monitored")

    sys.addaudithook(hook)


def tools():
    """Return the name and the global events of each tool of `sys.monitoring` in use."""
    used = [one for one in range(6) if sys.monitoring.get_tool(one)]
    return [[sys.monitoring.get_tool(one), sys.monitoring.get_events(one)] for one in used]


def replace():
    """Call the function above that the argument names."""
    globals()[sys.argv[1]]()


def answer():
    """Answer until standard input ends, and then end the process."""
    names = {**globals(), "exec": execute}
    pending = b""
    while True:
        part = read(0, 65536)
        if not part:
            leave(9)
        pending += part
        while b"\n" in pending:
            line, _, pending = pending.partition(b"\n")
            try:
                value = evaluate(line.decode(), names)
            except BaseException as error:
                value = repr(error)
            write(1, b"answer " + encode(value).encode() + b"\n")


threading.Thread(target=answer, daemon=True).start()
write(1, b"ready\n")
while True:
    sleep(0.01)
