"""Has children in every way there is, when it is told to; answers in its only thread.

Comments after `#:` name the ways whose children execute a line; `parent` is for the parent before
the fork.  Every way returns the PIDs of the children that have worked.  Used by
integration/test_tree.py, with program.py and work.py.
"""

import concurrent.futures
import json
import multiprocessing
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import answering
from work import where_am_i

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "program.py")


def fork_and_exit():
    pid = os.fork()  #: parent
    if pid == 0:  #: parent fork_and_exit
        only_in_child()  #: fork_and_exit
        os._exit(0)  #: fork_and_exit
    return ended(pid)  #: parent


def only_in_child():
    for _ in range(2):  #: fork_and_exit
        count = 1  #: fork_and_exit
    return count  #: fork_and_exit


def fork_and_exec():
    pid = os.fork()  #: parent
    if pid == 0:  #: parent fork_and_exec
        os.execv(sys.executable, [sys.executable, PROGRAM])  # noqa: S606  #: fork_and_exec
    return ended(pid)  #: parent


def fork_and_execvpe():
    pid = os.fork()  #: parent
    if pid == 0:  #: parent fork_and_execvpe
        os.execvpe("env", ["env", sys.executable, PROGRAM], os.environ)  # noqa: S606  #: fork_and_execvpe
    return ended(pid)  #: parent


def run():
    return ran(subprocess.Popen([sys.executable, PROGRAM]))  #: parent


def run_with_environment():
    environment = {"PYTHONPATH": os.environ["PYTHONPATH"], "LONELY": "yes"}  #: parent
    return ran(subprocess.Popen([sys.executable, PROGRAM], env=environment))  #: parent


def run_with_function():
    popen = subprocess.Popen([sys.executable, PROGRAM], preexec_fn=before_exec)  #: parent
    return ran(popen)  #: parent


def before_exec():
    os.setsid()  #: run_with_function


def spawn():
    return ended(os.posix_spawn(sys.executable, [sys.executable, PROGRAM], os.environ))  #: parent


def pool(kind, end):
    workers = multiprocessing.get_context(kind).Pool(2)  #: parent
    found = workers.map(where_am_i, range(8), 1)  #: parent
    getattr(workers, end)()  #: parent
    workers.join()  #: parent
    return sorted(set(found))  #: parent


def executor(kind):
    context = multiprocessing.get_context(kind)  #: parent
    with concurrent.futures.ProcessPoolExecutor(2, context) as workers:  #: parent
        return sorted(set(workers.map(where_am_i, range(8))))  #: parent


def stay():
    pid = os.fork()  #: parent
    if pid == 0:  #: parent stay
        answer_on()  #: stay
    return pid  #: parent


def answer_on():
    while os.read(QUESTIONS[0], 1) == b"x":  #: stay
        os.write(ANSWERS[1], json.dumps(own(), default=repr).encode() + b"\n")  #: stay
    os._exit(0)


def own():
    more = {"functions": functions(), "environment": sorted(os.environ)}  #: stay
    return {**answering.residue(), **more}  #: stay


def ask():
    os.write(QUESTIONS[1], b"x")  #: parent
    with open(ANSWERS[0], "rb", closefd=False) as file:  #: parent
        return json.loads(file.readline())  #: parent


def leave():
    os.write(QUESTIONS[1], b"q")
    os.wait()


def ended(pid):
    assert os.waitpid(pid, 0)[1] == 0  #: parent
    return [pid]  #: parent


def ran(popen):
    assert popen.wait() == 0  #: parent
    return [popen.pid]  #: parent


def warm_up():
    """Import all that the ways import, and start the helper processes that remain."""
    pool("forkserver", "close")
    executor("fork")


def functions():
    import _posixsubprocess

    known = [os._exit, os.execv, os.execve, os.posix_spawn, os.posix_spawnp]
    known += [_posixsubprocess.fork_exec, getattr(subprocess, "_fork_exec", len)]
    return [repr(function) for function in known]


if __name__ == "__main__":
    QUESTIONS, ANSWERS = os.pipe(), os.pipe()
    os.write(1, b"ready\n")
    answering.answer(globals())
