"""Closes all descriptors that it has not opened, as daemons do, and opens files of its own.

It answers by copies of its standard streams, which it closes too if its first argument says so.
"""

import os
import sys
from pathlib import Path

import answering

FIRST = 200  # of the two by which it answers
CONTENT = b"A" * 5000
files = []
taken = []  # numbers that were somebody else's, and are the first file's


def others():
    """Return the numbers from 3 on that are not its own."""
    own = {FIRST, FIRST + 1, *(file.fileno() for file in files)}
    return sorted({int(name) for name in os.listdir("/proc/self/fd")} - own - {0, 1, 2})


def close(how):
    """Close descriptors of others, and open files, which get the lowest numbers that are free."""
    if how == "range":
        os.closerange(3, FIRST)
        os.closerange(FIRST + 2, 4096)
    else:
        found = others()
        for number in found[::2] if how == "half" else found:
            try:
                os.close(number)
            except OSError:
                continue  # that of the folder that was listed
    open_files(12)


def take_over():
    """Put a file of its own in the place of each descriptor that is not."""
    open_files(1)
    for number in others():
        try:
            os.fstat(number)
        except OSError:
            continue
        taken.append(os.dup2(files[0].fileno(), number))


def open_files(count):
    for _ in range(count):
        files.append(open(f"data{len(files)}", "w+b", buffering=0))  # noqa: SIM115  they stay
        files[-1].write(CONTENT)


def harm():
    """Return the damaged files, and the taken-over numbers that are not its own file's any more."""
    found = [one for one in range(len(files)) if Path(f"data{one}").read_bytes() != CONTENT]
    found += [file.name for file in files if file.tell() != len(CONTENT)]
    for number in taken:
        if not os.path.sameopenfile(number, files[0].fileno()):
            found.append(number)
    return found


def fork():
    """Fork once; return how the child ended."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    return os.waitpid(pid, 0)[1]


def later():
    return True  # later


os.dup2(0, FIRST)
os.dup2(1, FIRST + 1)
if sys.argv[1] == "without":
    os.closerange(0, 3)
os.write(FIRST + 1, b"ready\n")
pending = b""
while True:
    pending += os.read(FIRST, 65536) or os._exit(9)
    while b"\n" in pending:
        line, _, pending = pending.partition(b"\n")
        value = answering.value_of(line.decode(), globals())
        os.write(FIRST + 1, b"answer " + value + b"\n")
