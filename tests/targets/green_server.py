"""A server of gevent's, with everything patched, whose requests are greenlets; prints its port.

Lines that run after the attach end in a comment: in requests that are waiting then it is
`# resumed`.  In later ones it is `# both`, or `# tea` or `# milk` in those for these.
Used by integration/test_green_server.py.
"""

import gevent.monkey

start_thread = gevent.monkey.get_original("_thread", "start_new_thread")
gevent.monkey.patch_all()

import json  # noqa: E402
import os  # noqa: E402
import time  # noqa: E402

import answering  # noqa: E402
import gevent.event  # noqa: E402
import gevent.pywsgi  # noqa: E402

waiting = []
opened = gevent.event.Event()


def application(environ, start_response):
    path = environ["PATH_INFO"]  # both
    if path == "/wait":  # both
        answer = wait()
    elif path == "/open":  # both
        answer = opens()
    elif path == "/tea":  # both
        answer = tea(environ)  # tea
    else:
        answer = milk()  # milk
    start_response("200 OK", [("Content-Type", "application/json")])  # resumed both
    return [json.dumps(answer).encode()]  # resumed both


def wait():
    waiting.append(1)
    opened.wait()
    count = len(waiting)  # resumed
    if count:  # resumed
        count = used(count)  # resumed
    return count  # resumed


def used(count):
    waiting.pop()  # resumed
    return count  # resumed


def opens():
    opened.set()
    return len(waiting)


def tea(environ):
    time.sleep(0)  # tea
    return environ["REQUEST_METHOD"]  # tea


def milk():
    worker = gevent.spawn(pours, 2)  # milk
    return worker.get()  # milk


def pours(cups):
    for _ in range(cups):  # milk
        time.sleep(0)  # milk
    return cups  # milk


server = gevent.pywsgi.WSGIServer(("127.0.0.1", 0), application, log=None)
server.start()
start_thread(answering.answer, (globals(),))
os.write(1, f"ready {server.server_port}\n".encode())
server.serve_forever()
