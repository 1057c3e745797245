"""An application in uWSGI, whose main loop in C calls Python for each request.

The arguments are options of uWSGI.  It prints its port.  With `--mount` there is a subinterpreter
for each further application.  Used by integration/test_uwsgi.py and test_tree_uwsgi.py.
"""

import functools
import json
import os
import socket
import sys
import threading

lines = []
told = []
os.register_at_fork(after_in_child=functools.partial(told.append, "forked"))


def later():
    lines.append("later")  # on
    return len(lines)  # on


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])  # on
    answer = {"pid": os.getpid(), "lines": later(), "told": told}  # on
    return [json.dumps(answer).encode()]  # on


def main(*options):
    import pyuwsgi

    first = threading.Thread(target=len, args=("",))  # it has the C library handle a signal
    first.start()
    # A worker that is forked while it ends would wait for it at its own end, for ever: uWSGI does
    # not tell Python of its forks.
    first.join()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.set_inheritable(True)
    print("ready", listener.getsockname()[1], flush=True)
    place = ("--http-socket", f"fd://{listener.fileno()}", "--wsgi-file", __file__)
    pyuwsgi.run([*place, "--need-app", *options])


if __name__ == "__main__":
    main(*sys.argv[1:])
