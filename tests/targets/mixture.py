"""Runs code of many kinds when it is attached to: a loop in main, threads, asyncio, a generator.

Lines that run after the attach end in a comment: `# on` if they go on by themselves, `# once` if
the test asks for them.  Used by many tests in integration and payloads.
"""

import asyncio
import sys
import threading
import time

import answering

started = threading.Barrier(4)
ending = threading.Event()
numbers = []


def worker(barrier):
    barrier.wait()
    count = 0
    while not ending.is_set():  # on
        count += 1  # on
        if count < 0:  # on
            count = 0
        work(count)  # on


def work(count):
    half = count // 2  # on
    if half < 0:  # on
        half = -half
    time.sleep(0.001)  # on
    return half  # on


async def ticker(barrier):
    await asyncio.get_running_loop().run_in_executor(None, barrier.wait)
    while not ending.is_set():  # on
        await asyncio.sleep(0.001)  # on
        await tick()  # on


async def tick():
    numbers[:] = numbers[-9:]  # on
    await asyncio.sleep(0)  # on
    numbers.append(len(numbers))  # on


def counter():
    value = 0
    while not ending.is_set():  # on
        value += 1  # on
        yield value  # on


def closed():
    try:
        yield
    except GeneratorExit:  # once
        numbers.append(-1)  # once
        raise  # once


def later(times):
    total = 0  # once
    for number in range(times):  # once
        total += number  # once
    return total  # once


def never():
    numbers.clear()
    return


def main():
    for _ in range(2):
        threading.Thread(target=worker, args=(started,), daemon=True).start()
    threading.Thread(target=asyncio.run, args=(ticker(started),), daemon=True).start()
    generator = counter()
    next(generator)
    started.wait()
    answering.in_thread(globals())
    while not ending.is_set():  # on
        next(generator)  # on
        time.sleep(0.001)  # on
    sys.exit(0)


suspended = closed()
next(suspended)
main()
