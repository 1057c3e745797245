"""uWSGI: a main loop in C that calls Python for each request.  The arguments are its options.

It says on which port it listens.  With `--mount` it has a subinterpreter for each further
application.
"""

import json
import os
import socket
import sys

lines = []


def later():
    lines.append("later")  # on
    return len(lines)  # on


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])  # on
    return [json.dumps({"pid": os.getpid(), "lines": later()}).encode()]  # on


def main(*options):
    import pyuwsgi

    listener = socket.create_server(("127.0.0.1", 0))
    listener.set_inheritable(True)
    print("ready", listener.getsockname()[1], flush=True)
    place = ("--http-socket", f"fd://{listener.fileno()}", "--wsgi-file", __file__)
    pyuwsgi.run([*place, "--need-app", *options])


if __name__ == "__main__":
    main(*sys.argv[1:])
