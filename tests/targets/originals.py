"""Prints all that a program can find out about the functions that covattach replaces in a tree.

integration/test_replaced_functions.py compares its output with and without covattach.
"""

import _posixsubprocess
import copy
import inspect
import os
import pickle
import subprocess
import sys

FUNCTIONS = [os._exit, os.execv, os.execve, os.posix_spawn, _posixsubprocess.fork_exec]
CHILD = "import os; print('child', os.environ.get('GIVEN'), os.environ.get('PYTHONPATH'))"


class Holder:
    """Has two of the functions as attributes of a class."""

    leave, become = os._exit, os.execve


class Folder:
    """A path that can be called, which must not happen."""

    def __fspath__(self):
        return "/"

    def __call__(self, *arguments):
        print("called")


def of(function):
    """Return those properties of a function that a program can see."""
    return [
        repr(function),
        function.__name__,
        function.__qualname__,
        function.__module__,
        bool(function.__doc__),
        getattr(function, "__text_signature__", None),
        type(function).__name__,
        isinstance(function, type(len)),
        inspect.isbuiltin(function),
        inspect.isroutine(function),
        inspect.isfunction(function),
        hasattr(function, "__get__"),
        hasattr(function, "__dict__"),
        [pickle.loads(pickle.dumps(function, one)) is function for one in range(6)],  # noqa: S301
        copy.deepcopy(function) is function,
        getattr(sys.modules[function.__module__], function.__name__) is function,
        function == function,
        len({function, function}),
        dir(function) == dir(len),
    ]


def fails(function, *arguments, **keywords):
    """Return the error, as text, that a function raises for these arguments."""
    try:
        function(*arguments, **keywords)
    except BaseException as error:
        return repr(error)
    return "nothing"


def in_child(act):
    """Have a forked child call `act`; return its output and its wait status."""
    sys.stdout.flush()
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        os.dup2(writing, 1)
        act()
        os._exit(5)
    os.close(writing)
    with open(reading) as file:
        said = file.read()
    return said, os.waitpid(pid, 0)[1]


for one in FUNCTIONS:
    print(of(one))
print(type(Holder().leave).__name__, Holder().become is os.execve, os.execve in os.supports_fd)
print(inspect.signature(os.execve), inspect.signature(os._exit))
print(fails(os.execve, "/x"), fails(os.execve, "/x", ["x"], ["A=b"]), fails(os.execve, 1, 2, 3, 4))
print(fails(os.execv, "/x", []), fails(os.execv, "/nowhere", ["x"]), fails(os.execv))
print(fails(os.posix_spawn, "/bin/true", ["true"], ["A=b"]), fails(os.posix_spawn))
print(fails(os._exit, "x"), fails(os._exit), fails(_posixsubprocess.fork_exec, 1))
print(fails(subprocess.run, ["/bin/true"], env={"A=b": "c"}))
print(subprocess.run([sys.executable, "-c", CHILD], env={"GIVEN": "1"}, capture_output=True))
print(subprocess.run(["/bin/pwd"], cwd=Folder(), capture_output=True))
print(subprocess.run(["/bin/sh", "-c", "echo $GIVEN"], capture_output=True,
                     preexec_fn=lambda: os.putenv("GIVEN", "by preexec_fn")))  # fmt: skip
words = [sys.executable, "-c", CHILD]
os.environ["GIVEN"] = "by os.environ"
os.putenv("GIVEN", "by os.putenv")
print(subprocess.run(["/bin/sh", "-c", "echo $GIVEN"], capture_output=True))
print(subprocess.run(words, capture_output=True, preexec_fn=lambda: os.putenv("GIVEN", "later")))
print(in_child(lambda: os.execv(sys.executable, words)))  # noqa: S606
os.unsetenv("GIVEN")
print(subprocess.run(["/bin/sh", "-c", "echo ${GIVEN-none}"], capture_output=True))
print(in_child(lambda: os.execve(sys.executable, words, env={"GIVEN": "by keyword"})))  # noqa: S606
os.environ["GIVEN"] = "inherited"
print(in_child(lambda: os.execv(sys.executable, words)))  # noqa: S606
print(os.waitstatus_to_exitcode(os.waitpid(os.posix_spawn("/bin/true", ["x"], os.environ), 0)[1]))
