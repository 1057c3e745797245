"""What stock coverage sees of a target from a gate on: it runs from the beginning, in the target."""

import threading

measuring = []


def begin(branch):
    """Start coverage, by trace functions, before anything else of the target runs."""
    import coverage

    cov = coverage.Coverage(data_file=None, config_file=False, branch=branch)
    cov.set_option("run:core", "ctrace")
    cov.start()
    measuring.append(cov)


def forget():
    """Drop what was measured so far: here is the gate."""
    for tracked in measuring[0]._collector.data.values():
        tracked.clear()
    return threading.active_count()


def points(path):
    """Return the lines, or arcs, of a file since the gate."""
    data = measuring[0].get_data()
    return list(data.arcs(path) or ()) if data.has_arcs() else list(data.lines(path) or ())
