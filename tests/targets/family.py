"""Has processes of all kinds; a line that ends in `# ran` is executed in at least one of them.

Used by integration/test_run.py.
"""

import multiprocessing  # ran
import os  # ran
import subprocess  # ran
import sys  # ran


def forked():  # ran
    return "forked"  # ran


def leaving():  # ran
    return "left by os._exit"  # ran


def started():  # ran
    return "another program"  # ran


def spawned(number):  # ran
    return number + 1  # ran


def replaced():  # ran
    return "this process, as another program"  # ran


def never():  # ran
    return "nobody calls it"


def fork(work, leave):  # ran
    pid = os.fork()  # ran
    if pid == 0:  # ran
        work()  # ran
        leave(0)  # ran
    os.waitpid(pid, 0)  # ran


def main():  # ran
    fork(forked, sys.exit)  # ran
    fork(leaving, os._exit)  # ran
    subprocess.run([sys.executable, __file__, "started"], check=True)  # ran
    with multiprocessing.get_context("spawn").Pool(1) as pool:  # ran
        pool.map(spawned, [1])  # ran
        pool.close()  # ran
        pool.join()  # ran
    print("replaced", flush=True)  # ran
    os.execv(sys.executable, [sys.executable, __file__, "replaced"])  # noqa: S606  # ran


if __name__ == "__main__":  # ran
    if len(sys.argv) == 1:  # ran
        main()  # ran
    if sys.argv[1] == "started":  # ran
        started()  # ran
    else:
        replaced()  # ran
        sys.exit(7)  # ran
