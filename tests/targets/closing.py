"""Closes all descriptors that it has not opened, as daemons do, and opens files of its own.

It answers by copies of its standard streams, descriptors 200 and 201.  With the argument "without"
it closes the streams themselves, 0 to 2.  Used by payloads/test_closed_descriptors.py and
stress/test_hazards.py.
"""

import os
import sys
from pathlib import Path

import answering

FIRST = 200  # the first of the two descriptors by which it answers
CONTENT = b"A" * 5000
files = []
taken = []  # descriptors that somebody else had opened, and that are the first file's now


def others():
    """Return the descriptors from 3 on that it has not opened itself."""
    own = {FIRST, FIRST + 1, *(file.fileno() for file in files)}
    return sorted({int(name) for name in os.listdir("/proc/self/fd")} - own - {0, 1, 2})


def close(how):
    """Close descriptors of others, then open files, which get the lowest free descriptors.

    `how` is "range" for all, "listed" for those in /proc/self/fd, or "half" for every other of
    these.
    """
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
    """Put a file of its own in the place of each descriptor that others have opened."""
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
    """Return the files that somebody has damaged, and the descriptors in `taken` that changed."""
    found = [one for one in range(len(files)) if Path(f"data{one}").read_bytes() != CONTENT]
    found += [file.name for file in files if file.tell() != len(CONTENT)]
    for number in taken:
        if not os.path.sameopenfile(number, files[0].fileno()):
            found.append(number)
    return found


def fork():
    """Fork a child that ends at once; return its wait status."""
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
