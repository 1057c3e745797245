"""Runs one kind of code, named by its argument, up to a gate; `go.set()` lets it run to its end.

With two more arguments, "lines" or "arcs" and a core, stock coverage measures it from the start.
Used by payloads/test_kinds.py, which compares the two.
"""

import _thread
import asyncio
import concurrent.futures
import importlib
import multiprocessing
import sys
import threading

import answering
import referee

go = referee.Gate()
ended = threading.Event()
kept = []


def work(number):
    if number % 2:
        number += 1
    else:
        number -= 1
    for step in range(2):
        number += step
    return number


def waits(number):
    go.wait()
    try:
        kept.append(work(number))
    finally:
        number = 0
    return number


class Subclass(threading.Thread):
    """A thread whose work is in its method `run`."""

    def run(self):
        """Wait at the gate, then start another thread."""
        waits(1)
        late = threading.Thread(target=work, args=(2,))
        late.start()
        late.join()


def in_threads():
    threads = [threading.Thread(target=waits, args=(number,)) for number in range(3)]
    threads.append(Subclass())
    return threads


def one_function():
    """Return threads that are in one function, at different lines, when the gate opens."""
    return [threading.Thread(target=different, args=(number,)) for number in range(3)]


def different(number):
    if number == 0:
        go.wait()
        kept.append(number)
    elif number == 1:
        go.wait()
        kept.append(-number)
    while number < 3:
        go.wait()
        number += 1
    return number


def numbers():
    value = 0
    while value < 4:
        if value == 2:
            value += 1
        yield value
        value += 1


def closed():
    try:
        yield 1
    finally:
        kept.append(2)


def thrown():
    while True:
        try:
            yield 1
        except ValueError:
            kept.append(3)
            break
    yield 2


def generators():
    first, second, third = numbers(), closed(), thrown()
    for generator in (first, second, third):
        next(generator)

    def elsewhere():
        go.wait()
        kept.extend(first)
        second.close()
        third.throw(ValueError())

    return [threading.Thread(target=elsewhere)]


async def ticks():
    for tick in range(3):
        yield tick
        await asyncio.sleep(0)


async def cancelled():
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        kept.append(4)
        raise


async def several(ready):
    ticking = ticks()
    await ticking.__anext__()
    task = asyncio.ensure_future(cancelled())
    await asyncio.sleep(0)
    ready.set()
    await asyncio.get_running_loop().run_in_executor(None, go.wait)
    async for tick in ticking:
        kept.append(tick)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def coroutines():
    ready = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(several(ready)))
    thread.ready = ready
    return [thread]


def executed():
    source = "def made(value):\n    if value:\n        return 1\n    return 2\nmade(1)\n"

    def runs():
        go.wait()
        exec(compile(source, __file__, "exec"), {})

    return [threading.Thread(target=runs)]


def pool():
    workers = concurrent.futures.ThreadPoolExecutor(2)
    futures = [workers.submit(waits, number) for number in range(3)]

    def collects():
        go.wait()
        kept.extend(future.result() for future in futures)
        kept.append(workers.submit(work, 3).result())
        workers.shutdown()

    return [threading.Thread(target=collects)]


def raw_waits(done):
    go.wait()
    kept.append(5)  # raw
    done.release()  # raw


def raw():
    """Start a thread by `_thread` before the gate; return a thread that waits for its end."""
    done = _thread.allocate_lock()
    done.acquire()
    _thread.start_new_thread(raw_waits, (done,))
    return [threading.Thread(target=done.acquire)]


def raw_late(done):
    kept.append(6)  # late
    done.release()  # late


def late():
    """Start threads by `_thread`, and by C with a callback, after the gate."""
    done = _thread.allocate_lock()
    done.acquire()

    def starts():
        go.wait()
        _thread.start_new_thread(raw_late, (done,))
        done.acquire()
        from_c()

    return [threading.Thread(target=starts)]


def called_back(_):
    kept.append(7)  # late
    kept.append(8)  # late


def from_c():
    import ctypes

    library = ctypes.CDLL(None)
    callback = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)(called_back)
    thread = ctypes.c_ulong()
    library.pthread_create(ctypes.byref(thread), None, callback, None)
    library.pthread_join(thread, None)


def imported():
    """Import a module after the gate, and then reload it."""

    def imports():
        go.wait()
        import imports_later

        first = imports_later.used()
        kept.append(importlib.reload(imports_later).used() + first)

    return [threading.Thread(target=imports)]


def processes():
    """Fork children that work, after the gate; the lines of the parent are compared."""
    context = multiprocessing.get_context("fork")

    def starts():
        go.wait()
        with context.Pool(2) as pool:
            kept.extend(pool.map(work, range(4)))
        child = context.Process(target=work, args=(1,))
        child.start()
        child.join()
        kept.append(child.exitcode)

    return [threading.Thread(target=starts)]


def runs(threads):
    for thread in threads:
        thread.start()
        if hasattr(thread, "ready"):
            thread.ready.wait()
    go.expect(3 if sys.argv[1] == "pool" else len(threads))
    answering.in_thread(globals())
    for thread in threads:
        thread.join()
    ended.set()
    threading.Event().wait()


if len(sys.argv) > 2:
    referee.begin(*sys.argv[2:])
runs(globals()[sys.argv[1]]())
