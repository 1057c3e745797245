"""Has functions all of whose lines run, so that sysmon's line events can be turned off for them.

Used by payloads/test_quiet.py.
"""

import threading

import answering

numbers = list(range(50))
Plain = None


def whole():
    """Run all of its lines; the loop in the last one jumps back within that line."""
    total = len(numbers)  # whole
    return total + sum(number for number in numbers)  # whole


def one_line(): return [number + 1 for number in numbers]  # fmt: skip  # one line


def generator():
    """Run all of its lines, some again before others have run."""
    for number in numbers:  # generator
        yield number + 1  # generator


def half(flag=False):
    """Run some of its lines, or with `flag` the others too."""
    if flag:  # half
        return sum(number for number in numbers)  # other half
    return [number + 1 for number in numbers]  # half


def defines():
    """Define a class in one line, which only the next line can follow."""
    global Plain

    class Plain: pass  # noqa: E701 # fmt: skip  # defines

    return Plain  # defines


def long(file):
    """Define and run a function of 300 lines, as if they were in `file`."""
    source = "def long(number):\n" + "    number += 1\n" * 300
    exec(compile(source, file, "exec"), globals())
    globals()["long"](0)


def made(count):
    """Return a generator made in one line, which runs when it is consumed."""
    return (number for number in range(count))  # made


def run(flag=False):
    """Call all of these functions, twice."""
    for _ in range(2):
        whole()
        one_line()
        list(generator())
        half(flag)
        defines()


def events():
    """Return the names of the functions that still have line events on, and the names of all."""
    import sys

    monitoring = sys.monitoring
    tool = next(tool for tool in range(6) if monitoring.get_tool(tool) == "covattach coverage")
    functions = whole, one_line, generator, half, defines
    listening = [
        function.__name__
        for function in functions
        if monitoring.get_local_events(tool, function.__code__) & monitoring.events.LINE
    ]
    return [listening, [function.__name__ for function in functions]]


if __name__ == "__main__":
    answering.in_thread(globals())
    threading.Event().wait()
