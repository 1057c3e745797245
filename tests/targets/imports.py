"""Has imported a module before the attach, imports another after it, and loops at its top level.

Lines that ran before the attach and not after it end in `# before`.  Used by
integration/test_imports.py and payloads/test_imported.py.
"""

import sys  # before
import threading  # before

import answering  # before
import imports_before  # before

go = threading.Event()  # before
later = []  # before


def load():  # before
    import imports_later

    later.append(imports_later)
    return imports_before.used() + imports_later.used()


if __name__ == "__main__":  # before
    answering.in_thread(globals())  # before
else:
    sys.exit("never")
while not go.wait(0.001):  # the loop
    later.clear()
print("never")
