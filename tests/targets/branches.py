"""Is in the middle of calls and of generators when it is attached to.

`go.set()` and `resume()` make it go on.  Comments at the ends of lines are their names, by which
the test says which line follows which.  Used by payloads/test_adoption.py.
"""

import threading

import answering

go = threading.Event()
ended = threading.Event()


def inner():
    go.wait()  # wait
    if not go.is_set():  # test
        return 1
    return 0  # return


def outer():
    value = inner()  # call
    if value:  # check
        value = 2
    for _ in range(2):  # for
        value += 1  # add
    ended.set()  # done


def counter():
    value = 0
    while value >= 0:  # while
        if value % 2:  # odd
            value += 0
        yield value  # yield
        value += 2  # more


async def ticks():
    value = 0
    while value >= 0:  # ticking
        yield value  # tick
        value += 1  # tock


def fails():
    try:
        outer()  # try
    finally:
        ended.set()  # finally


def resume():
    return [next(generator), next(generator)]  # resume


def awaited():
    try:  # trying
        asynchronous.__anext__().send(None)  # send
    except StopIteration as error:  # stop
        return error.value  # value


def ways(first):
    """Yield from one of two branches; the first one can be left suspended in the middle."""
    if first:  # way
        yield 1  # one way
        return
    yield 2  # other way


def interleaved():
    """Have two such generators under way, so that a line of one follows a line of the other."""
    one, other = ways(True), ways(False)
    return [next(one), next(other)]


generator = counter()
next(generator)
asynchronous = ticks()
awaited()
threading.Thread(target=fails, daemon=True).start()
answering.in_thread(globals())
threading.Event().wait()
