"""Stays in one state, which its argument names, and ends with status 99 if it comes to harm.

In each state an attach could do harm: inside the allocator, the garbage collector, the import
system or memcpy, with threads that fight over the GIL, or blocked in a system call.  Used by
integration/test_states.py, test_one_attach.py, test_registers.py and test_further_states.py, and by
most tests in stress.
"""

import array
import gc
import importlib
import mmap
import os
import queue
import select
import socket
import subprocess
import sys
import threading
import time

import answering

STATES = {}
SILENT, _ = os.pipe()
lines = []


def later():
    """Execute a line that had not been executed before."""
    lines.append("later")  # later
    return len(lines)


def ready():
    """Start to answer, and print "ready": all threads and descriptors of the state are there."""
    answering.in_thread(globals())


def state(function):
    """Register a function as the state of its name: a decorator."""
    STATES[function.__name__] = function
    return function


@state
def allocating():
    """Allocate and free objects of many sizes."""
    kept = []
    ready()
    while True:
        kept.append([bytearray(size) for size in range(0, 2000, 37)])
        del kept[:-20]


@state
def collecting():
    """Make garbage in cycles, and collect it."""
    ready()
    while True:
        for _ in range(200):
            one = []
            one.append(one)
        gc.collect()


@state
def importing():
    """Import modules again that were removed from `sys.modules`."""
    names = ["json.tool", "csv", "wave", "colorsys", "shelve", "sched", "pprint", "plistlib"]
    ready()
    while True:
        for name in names:
            sys.modules.pop(name, None)
            importlib.import_module(name)


@state
def copying():
    """Copy memory and compare: a register that is restored wrongly makes the copy differ."""
    source = array.array("Q", range(1 << 16)).tobytes()
    buffer = bytearray(len(source))
    ready()
    while True:
        buffer[:] = source
        if buffer != source:
            os.write(1, b"harm: the copy differs\n")
            os._exit(99)


@state
def spinning():
    """Keep a pattern in all registers, in a loop of machine code."""
    import registers  # with ctypes, which the other states do without

    ready()
    registers.keep(registers.SPIN)


@state
def asleep():
    """Keep a pattern in all registers, in a system call."""
    import registers

    ready()
    registers.keep(registers.POLL)


@state
def crowded():
    """Fight over the GIL with 25 threads."""

    def spin():
        count = 0
        while True:
            count += 1

    for _ in range(25):
        threading.Thread(target=spin, daemon=True).start()
    ready()
    spin()


@state
def churning():
    """Start threads that end at once, again and again."""
    ready()
    while True:
        threads = [threading.Thread(target=len, args=((),)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


@state
def forking():
    """Fork, and wait for the child, again and again."""
    ready()
    while True:
        child = os.fork()
        if not child:
            os._exit(0)
        os.waitpid(child, 0)


@state
def flocked():
    """Wait for the lock of a file, which nobody gives back."""
    import fcntl
    import tempfile

    with tempfile.NamedTemporaryFile() as first, open(first.name) as second:
        fcntl.flock(first, fcntl.LOCK_EX)
        ready()
        fcntl.flock(second, fcntl.LOCK_EX)


@state
def thousand():
    """Have 1,000 threads that wait."""
    threading.stack_size(1 << 18)
    for _ in range(1000):
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    ready()
    threading.Event().wait()


@state
def vast():
    """Have 20 GB of address space, and use none of it."""
    kept = mmap.mmap(-1, 20 << 30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000, prot=1)
    ready()
    while kept:
        sum(range(50))


def subinterpreters():
    """Return two functions: one makes a subinterpreter, and one runs a source in it."""
    try:
        import _interpreters as module  # 3.13
    except ImportError:
        import _xxsubinterpreters as module
    return module.create, getattr(module, "exec", None) or module.run_string


@state
def subinterpreter():
    """Wait in a subinterpreter."""
    create, run = subinterpreters()
    one = create()
    ready()
    run(one, f"import os\nos.read({SILENT}, 1)")


@state
def beside_subinterpreter():
    """Wait in the main interpreter, while a thread works in another."""
    create, run = subinterpreters()
    work = "import time\nwhile True: time.sleep(0.002 + 0 * sum(range(50)))"
    threading.Thread(target=run, args=(create(), work), daemon=True).start()
    ready()
    os.read(SILENT, 1)


@state
def beside_native():
    """Sleep, while a thread that Python knows nothing of runs C code without end."""
    import ctypes

    memory = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    memory.write(b"\xf3\x90\xeb\xfc")  # pause, and back to it
    code = ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(memory)))
    thread = ctypes.c_ulong()
    assert ctypes.CDLL(None).pthread_create(ctypes.byref(thread), None, code, None) == 0
    ready()
    time.sleep(1e6)


def blocked(function):
    """Register a function in which the main thread is blocked, as two states: a decorator.

    The second state, with "-beside" in its name, has another thread that runs Python.
    """

    def run():
        def live():
            while True:
                sum(range(50))
                time.sleep(0.002)

        threading.Thread(target=live, daemon=True).start()
        function()

    STATES[function.__name__] = function
    STATES[function.__name__ + "-beside"] = run
    return function


@blocked
def lock():
    """Wait for a lock."""
    held = threading.Lock()
    held.acquire()
    ready()
    held.acquire()


@blocked
def event():
    """Wait for an event."""
    ready()
    threading.Event().wait()


@blocked
def sleep():
    """Sleep."""
    ready()
    time.sleep(1e6)


@blocked
def accept():
    """Wait for a connection."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    ready()
    listener.accept()


@blocked
def selecting():
    """Wait in select."""
    ready()
    select.select([SILENT], [], [])


@blocked
def polling():
    """Wait in poll."""
    poll = select.poll()
    poll.register(SILENT, select.POLLIN)
    ready()
    poll.poll()


@blocked
def epoll():
    """Wait in epoll."""
    with select.epoll() as waiter:
        waiter.register(SILENT, select.EPOLLIN)
        ready()
        waiter.poll()


@blocked
def reading():
    """Read from a pipe."""
    ready()
    os.read(SILENT, 1)


@blocked
def waiting():
    """Wait for a child."""
    child = subprocess.Popen(["sleep", "1000000"])
    ready()
    child.wait()


@blocked
def join():
    """Wait for a thread."""
    thread = threading.Thread(target=threading.Event().wait, daemon=True)
    thread.start()
    ready()
    thread.join()


@blocked
def queued():
    """Wait for an item in a queue."""
    ready()
    queue.Queue().get()


@blocked
def receiving():
    """Receive from a socket."""
    ours, _theirs = socket.socketpair()
    ready()
    ours.recv(1)


if __name__ == "__main__":
    STATES[sys.argv[1]]()
