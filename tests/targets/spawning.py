"""Starts programs all the time that live for 2.5 s, and cannot be measured by themselves.

Used by integration/test_tree_edges.py.
"""

import subprocess
import sys
import time

import answering

answering.in_thread(globals())
running = []
while True:
    words = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(2.5)"]
    running.append(subprocess.Popen(words))
    running = [one for one in running if one.poll() is None]
    time.sleep(0.15)
