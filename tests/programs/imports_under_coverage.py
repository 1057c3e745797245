"""Imports modules under stock coverage; prints the lines that ran and the agent's account, as JSON.

Arguments: `--include=PATTERN` for the files to be measured, an optional `--walk=MOST`, and names of
modules.  With `--walk` the names are of packages, and at most MOST modules of each are imported.  A
module that coverage has imported already is executed again; one that cannot be is left out.

With `--prelude=FILE`, the program FILE is run first: it may import in other ways.
"""

import contextlib
import importlib
import importlib.util
import io
import json
import os
import pkgutil
import runpy
import sys
import warnings

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))


def modules_of(package, most):
    """Return the names of up to `most` modules below a package, evenly chosen."""
    top = importlib.import_module(package)
    walk = pkgutil.walk_packages(getattr(top, "__path__", []), f"{package}.", lambda name: None)
    found = [module.name for module in walk if not module.name.endswith("__main__")]
    return found[:: max(1, -(-len(found) // most))]


def bring(name, anew):
    """Import a module; one that is there already is executed again, and kept in `anew`."""
    if name in sys.modules and name not in anew:
        there = sys.modules[name]
        anew[name] = importlib._bootstrap._load(importlib.util.find_spec(name))
        sys.modules[name] = there
    else:
        importlib.import_module(name)


def record(words):
    """Import modules, as the arguments `words` say; return the lines that ran, and our account."""
    from coverage import Coverage

    given = dict(word[2:].split("=", 1) for word in words if word.startswith("--"))
    names = [word for word in words if not word.startswith("--")]
    cov = Coverage(data_file=None, config_file=False, include=given["include"].split(","))
    cov.set_option("run:core", "ctrace")
    before, anew = set(sys.modules), {}
    cov.start()
    if "prelude" in given:
        runpy.run_path(given["prelude"])
    for name in names:
        with contextlib.suppress(BaseException):
            found = modules_of(name, int(given["walk"])) if "walk" in given else [name]
            for one in found:
                with contextlib.suppress(BaseException):
                    bring(one, anew)
    cov.stop()
    sys.path.insert(0, ROOT)
    from payloads.snapshot import imported_modules

    sys.modules.update(anew)
    # Of the others functions may have run, but not the top level.
    wanted = [module for name, module in sys.modules.items() if name not in before - set(anew)]
    files = {vars(module).get("__file__") for module in wanted if type(module) is type(sys)}
    data = cov.get_data()
    lines = {name: sorted(data.lines(name)) for name in data.measured_files() & files}
    return {"imported": imported_modules.describe(), "lines": lines}


warnings.simplefilter("ignore")
words, sys.argv[1:] = sys.argv[1:], []
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    recorded = record(words)
print(json.dumps(recorded), flush=True)
os._exit(0)  # some of the modules have started threads
