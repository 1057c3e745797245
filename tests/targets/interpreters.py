"""Runs a subinterpreter in its main thread until standard input ends; then exits with status 5.

Used by integration/test_presence.py.
"""

import sys

try:
    import _interpreters as interpreters  # 3.13
except ImportError:
    import _xxsubinterpreters as interpreters

WORK = "import os\nos.write(1, b'ready\\n')\nos.read(0, 1)"

one = interpreters.create()
getattr(interpreters, "exec", None or getattr(interpreters, "run_string", None))(one, WORK)
interpreters.destroy(one)
sys.exit(5)
