"""Calls 30,000 functions of one line each, once, from four threads, after `go.set()`.

The arguments are a file for progress, and one for the source of the functions.  Progress is four
numbers of 64 bits: how many functions each thread has called.  Used by
integration/test_nothing_is_lost.py and payloads/test_windows.py.
"""

import mmap
import sys
import threading
import time

import answering
from functions import load

FUNCTIONS, THREADS = 30000, 4
go = threading.Event()


def call(functions, held, thread):
    """Call the functions, and write after each how many have been called, into `held[thread]`.

    By one store: `struct.pack_into` sets the place to zero first, and a reader could see that.
    """
    go.wait()
    for number, function in enumerate(functions, 1):
        function()
        held[thread] = number
        if number % 10 == 0:
            time.sleep(0.001)


def main(progress, source):
    names = load(source, FUNCTIONS)
    with open(progress, "wb") as file:
        file.write(bytes(8 * THREADS))
    with open(progress, "r+b") as file:
        held = memoryview(mmap.mmap(file.fileno(), 8 * THREADS)).cast("Q")
    share = FUNCTIONS // THREADS
    for thread in range(THREADS):
        functions = [names[f"f{thread * share + number}"] for number in range(share)]
        threading.Thread(target=call, args=(functions, held, thread), daemon=True).start()
    print("ready", flush=True)
    answering.answer(globals())


main(*sys.argv[1:])
