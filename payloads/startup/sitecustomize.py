# Measures this process from its first line on, if it belongs to a tree that covattach measures.
#
# Python imports it at its start, because its folder is on PYTHONPATH.  That may be any version: so
# the syntax is valid in all.  The additions to the environment and to `sys.path` are taken out, and
# then the `sitecustomize` that would have been imported without them is imported.

import io
import os
import sys


def covattach_startup():
    tree = os.environ.pop("COVATTACH_TREE", "")
    folder = os.path.dirname(os.path.abspath(__file__))
    entries = os.environ.get("PYTHONPATH", "").split(":")
    if folder in entries:
        entries.remove(folder)
        os.environ["PYTHONPATH"] = ":".join(entries)
        if not entries:
            del os.environ["PYTHONPATH"]
    sys.path[:] = [entry for entry in sys.path if entry != folder]
    sys.path_importer_cache.pop(folder, None)
    if not tree:
        return
    unfit = covattach_unfit()
    try:
        if unfit:
            with io.open(
                os.path.join(tree, "fault-of-%d" % os.getpid()), "w", encoding="utf-8"
            ) as file:
                file.write("Unfit: " + unfit)
            return
        with io.open(os.path.join(tree, "payloads", "bootstrap.py"), encoding="utf-8") as file:
            source = file.read()
    except (IOError, OSError):
        return  # the folder is another user's, or the tree is not measured any more
    exec(source, {"TREE": tree})


def covattach_unfit():
    # Return why this Python cannot be measured, as text, or "" if it can.
    implementation = getattr(getattr(sys, "implementation", None), "name", "cpython")
    if implementation != "cpython":
        return "it runs %s; CPython is measured" % implementation
    if sys.version_info < (3, 9):
        return "it runs Python %d.%d; 3.9 is the first that is measured" % sys.version_info[:2]
    if "t" in getattr(sys, "abiflags", ""):
        return "it runs a free-threaded build of Python"
    return ""


try:
    covattach_startup()
finally:
    # If there is no other `sitecustomize`, this raises ImportError, as `site` expects.
    del sys.modules["sitecustomize"]
    import sitecustomize
