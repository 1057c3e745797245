"""Has functions that can run whole, and one that does so only if it is asked to."""

import threading

import answering

numbers = list(range(50))
Plain = None


def whole():
    """Run all of its lines; the loop of the last one jumps back within it."""
    total = len(numbers)  # whole
    return total + sum(number for number in numbers)  # whole


def one_line(): return [number + 1 for number in numbers]  # fmt: skip  # one line


def generator():
    """Run all of its lines, some of them before others of it run again."""
    for number in numbers:  # generator
        yield number + 1  # generator


def half(flag=False):
    """Run some of its lines unless it is asked to run them all."""
    if flag:  # half
        return sum(number for number in numbers)  # other half
    return [number + 1 for number in numbers]  # half


def defines():
    """Define something in one line, which may be followed by the next line only."""
    global Plain

    class Plain: pass  # noqa: E701 # fmt: skip  # defines

    return Plain  # defines


def long(file):
    """Run a function of 300 lines, which are those of `file`."""
    source = "def long(number):\n" + "    number += 1\n" * 300
    exec(compile(source, file, "exec"), globals())
    globals()["long"](0)


def made(count):
    """Make a generator in one line, which runs when it is consumed."""
    return (number for number in range(count))  # made


def run(flag=False):
    """Run all of them, twice."""
    for _ in range(2):
        whole()
        one_line()
        list(generator())
        half(flag)
        defines()


def events():
    """Return the names of the functions in which coverage listens to lines, and all functions."""
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
