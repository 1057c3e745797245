"""Import modules under stock coverage, and print which lines of each ran meanwhile, as JSON.

The arguments are names of modules.  Each is executed anew, in a module object of its own: some
have been imported by coverage already.  One that cannot be is left out.
"""

import contextlib
import importlib.util
import io
import json
import os
import sys
import warnings

from coverage import Coverage


def lines_of(name):
    """Return the file of a module, and its lines that ran during its import."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        return None
    module = importlib.util.module_from_spec(spec)
    cov = Coverage(data_file=None, config_file=False, include=[spec.origin])
    cov.set_option("run:core", "ctrace")
    cov.start()
    try:
        spec.loader.exec_module(module)
    except BaseException:
        return None
    finally:
        cov.stop()
    path = os.path.realpath(spec.origin)
    return path, sorted(cov.get_data().lines(path) or ())


warnings.simplefilter("ignore")
found = {}
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    for wanted in sys.argv[1:]:
        with contextlib.suppress(ImportError, AttributeError):
            ran = lines_of(wanted)
            if ran:
                found[ran[0]] = ran[1]
print(json.dumps(found))
