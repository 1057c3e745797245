"""A target that runs one benchmark again and again: `looping.py NAME FOLDER`.

It reads a number from its standard input, runs the benchmark so many times, and prints the CPU
seconds that this took.  In this way only one of many such processes runs at a time, and all are in
their main loop when a tool attaches to them.  FOLDER holds pyperformance's benchmarks.  It must run
on every interpreter, so it keeps to the syntax of 3.9.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
import types
from typing import Any

PYPERFORMANCE = {
    "richards": lambda module: module.Richards().run(1),
    "deltablue": lambda module: module.delta_blue(100),
    "raytrace": lambda module: module.bench_raytrace(1, 32, 32, None),
    "nqueens": lambda module: module.bench_n_queens(6),
    "generators": lambda module: module.bench_generators(1),
}


def load(name: str, folder: str) -> Any:
    """Return a function without arguments that runs the benchmark `name` once."""
    if name == "flask":
        return importlib.import_module("flask_app").request
    # The benchmarks want only its clock: without the rest of it there is less to differ.
    clock: Any = types.ModuleType("pyperf")
    clock.perf_counter = time.perf_counter
    sys.modules["pyperf"] = clock
    sys.path.insert(0, os.path.join(folder, "bm_" + name))
    # An ordinary import, so that who instruments at import does.
    module = importlib.import_module("run_benchmark")
    return lambda: PYPERFORMANCE[name](module)


def read_line() -> bytes:
    """Return the next order, or b"" at the end of standard input."""
    return os.read(0, 64)


def main(name: str, folder: str) -> None:
    """Run the benchmark as it is ordered, until standard input ends."""
    run = load(name, folder)
    run()
    os.write(1, b"ready\n")
    while True:
        order = read_line()
        if not order:
            return  # an ordinary end, at which whoever measures it writes its data
        count = int(order)
        began = time.process_time()
        for _ in range(count):
            run()
        os.write(1, b"%.9f\n" % (time.process_time() - began))


main(*sys.argv[1:])
