"""Waits in one way, says so, and prints the outcome: result or error, and the time it took."""

import json
import os
import select
import socket
import subprocess
import sys
import threading
import time

import answering

SECONDS = 4.0
OURS, THEIRS = socket.socketpair()
WAYS = {}


def way(function):
    """Register a way by its function's name."""
    WAYS[function.__name__] = function
    return function


@way
def sleep():
    time.sleep(SECONDS)


@way
def poll():
    poller = select.poll()
    poller.register(OURS, select.POLLIN)
    return poller.poll(1000 * SECONDS)


@way
def recv():
    threading.Timer(SECONDS, THEIRS.send, (b"x",)).start()
    return OURS.recv(1).decode()


@way
def recv_timeout():
    OURS.settimeout(SECONDS)
    try:
        return OURS.recv(1).decode()
    except socket.timeout:  # noqa: UP041  another exception before 3.10
        return "timed out"


@way
def wait():
    return subprocess.Popen(["sleep", str(SECONDS)]).wait()


@way
def wait_timeout():
    child = subprocess.Popen(["sleep", "1000"])
    try:
        return child.wait(SECONDS)
    except subprocess.TimeoutExpired:
        return "timed out"
    finally:
        child.kill()
        child.wait()


if __name__ == "__main__":
    answering.in_thread(globals())
    began = time.monotonic()
    try:
        result = WAYS[sys.argv[1]]()
    except BaseException as error:
        result = repr(error)
    took = time.monotonic() - began
    os.write(1, b"came " + json.dumps([result, took]).encode() + b"\n")
    threading.Event().wait()
