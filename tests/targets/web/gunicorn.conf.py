"""Configuration of gunicorn: two workers with two threads each, which print PID and port.

Used by integration/test_gunicorn.py.
"""

import os

bind = "127.0.0.1:0"
workers = 2
threads = 2
worker_class = "gthread"
chdir = os.path.dirname(__file__)
wsgi_app = "shop:app"
control_socket_disable = True


def post_worker_init(worker):
    """Print that a worker is ready, with its PID and the port."""
    port = worker.sockets[0].getsockname()[1]
    os.write(1, f"ready {worker.pid} {port}\n".encode())
