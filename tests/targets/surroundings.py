"""Prints its environment, import path, arguments, signals and descriptors, as JSON.

Used by integration/test_run.py.
"""

import json
import os
import signal
import sys

ignored = ("COVERAGE_PROCESS_START", "_")
print(
    json.dumps(
        {
            "environment": {k: v for k, v in sorted(os.environ.items()) if k not in ignored},
            "path": sys.path,
            "importers": [p for p in sys.path_importer_cache if "/payloads/startup" in p],
            "arguments": sys.argv,
            "sitecustomize": getattr(sys.modules.get("sitecustomize"), "__file__", None),
            "ours": [name for name in sys.modules if "covattach" in name],
            "signals": {n: str(signal.getsignal(n)) for n in (1, 2, 3, 10, 12, 13, 15, 17)},
            "masked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
            "interval": sys.getswitchinterval(),
            "descriptors": sorted(os.listdir("/proc/self/fd"))[:3],
            "terminal": [os.isatty(n) for n in range(3)],
            "group": os.getpgid(0) == os.getpgid(os.getppid()),
        }
    )
)
