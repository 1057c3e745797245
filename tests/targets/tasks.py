"""A Celery application; its broker is the Redis whose socket is in the variable REDIS.

`celery -A tasks worker` runs it.  Run by itself, it sends as many tasks as its argument says, and
prints the PIDs of the processes that did them.  Used by integration/test_tree_celery.py.
"""

import json
import os
import sys
import threading

from celery import Celery
from celery.signals import worker_ready

REDIS = "redis+socket://" + os.environ["REDIS"]
app = Celery("tasks", broker=REDIS, backend=REDIS)
app.conf.worker_prefetch_multiplier = 1
threading.Thread(target=len, args=("",)).start()  # the first has the C library handle a signal


@app.task(name="tasks.add")
def add(count):
    total = 0  # on
    for number in range(count):  # on
        total += doubled(number)  # on
    return os.getpid()  # on


def doubled(number):
    return 2 * number  # on


def never():
    return None


@worker_ready.connect
def say_so(**_):
    os.write(1, b"ready\n")


def main(count):
    results = [add.delay(3) for _ in range(count)]
    print(json.dumps([result.get(timeout=30) for result in results]))


if __name__ == "__main__":
    main(int(sys.argv[1]))
