"""Stock coverage in a target, from the start: the lines that it sees after a gate are the truth.

Imported by greenlets.py, kinds.py and theirs.py.
"""

import sys
import threading

measuring = []


class Gate:
    """Holds threads up until `set` is called; `expect` waits until they have come."""

    def __init__(self):
        self.arrived = threading.Semaphore(0)
        self.opened = threading.Event()

    def wait(self):
        """Wait here for the gate to open."""
        self.arrived.release()
        self.opened.wait()

    def expect(self, count):
        """Wait until `count` threads have come to the gate."""
        for _ in range(count):
            self.arrived.acquire()

    def set(self):
        """Open the gate."""
        self.opened.set()


def begin(what, core, *concurrency):
    """Start coverage, before anything else of the target runs.

    `what` is "lines" or "arcs"; `concurrency` are coverage's names for it.
    """
    import coverage

    cov = coverage.Coverage(
        data_file=None,
        config_file=False,
        branch=what == "arcs",
        concurrency=list(concurrency) or ["thread"],
    )
    cov.set_option("run:core", core)
    cov.start()
    measuring.append(cov)


def forget():
    """Drop the data measured so far; called when the gate opens. Return the number of threads."""
    for tracked in measuring[0]._collector.data.values():
        tracked.clear()
    if measuring[0].get_option("run:core") == "sysmon":
        sys.monitoring.restart_events()  # it has fallen silent where it has been
    return threading.active_count()


def points(path):
    """Return the lines, or arcs, of the file `path` that ran since `forget`."""
    data = measuring[0].get_data()
    return list(data.arcs(path) or ()) if data.has_arcs() else list(data.lines(path) or ())
