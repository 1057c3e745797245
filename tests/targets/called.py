"""Functions that calling.py calls; each appends its own calls to the list `calls`."""

import threading

calls = []


def outer(number):
    calls.append((threading.current_thread().name, "outer", number))
    try:
        inner(number)
    except ValueError:
        return list(generating(number))
    return number


def inner(number, *, power=2):
    calls.append((threading.current_thread().name, "inner", number))
    if number % 7 == 0:
        raise ValueError(number)
    return number**power


def generating(number):
    calls.append((threading.current_thread().name, "generating", number))
    yield number
    yield number + 1


def taking(one, several, *rest, text="", **named):
    calls.append((threading.current_thread().name, "taking", 0))
