"""Configuration of gunicorn: four workers of the class in the variable WORKER.

Each worker is replaced after as many requests as the variable RENEWED says.  Used by
integration/test_tree_gunicorn.py.
"""

import os

bind = "127.0.0.1:0"
workers = 4
threads = 2 if os.environ["WORKER"] == "gthread" else 1
worker_class = os.environ["WORKER"]
max_requests = int(os.environ["RENEWED"])
chdir = os.path.dirname(__file__)
wsgi_app = "shop_asgi:app" if "uvicorn" in worker_class else "shop:app"
control_socket_disable = True


def post_worker_init(worker):
    """Print that a worker is ready, with its PID and the port."""
    port = worker.sockets[0].getsockname()[1]
    os.write(1, f"ready {worker.pid} {port}\n".encode())
