"""A Flask application; lines and branches taken by the requests of the test end in `# on`.

Used by integration/test_gunicorn.py and test_tree_gunicorn.py.
"""

import os

from flask import Flask, jsonify, request

app = Flask(__name__)
ORDERS = {}


@app.route("/order/<item>")
def order(item):
    count = ORDERS.get(item, 0) + int(request.args.get("count", 1))  # on
    if count > 10**9:  # on
        count = 0
    for name in (item,):  # on
        ORDERS[name] = count  # on
    return jsonify(pid=os.getpid(), count=count)  # on


@app.route("/price/<item>")
def price(item):
    if item == "tea":  # noqa: SIM108  a branch  # on
        answer = 3  # on
    else:
        answer = 4
    return jsonify(pid=os.getpid(), price=discounted(answer))  # on


def discounted(value):
    return value - 1 if value > 100 else value  # on


@app.route("/refund/<item>")
def refund(item):
    ORDERS.pop(item, None)
    return jsonify(pid=os.getpid(), item=item)


@app.route("/spec/<name>")
def spec(name):
    import importlib.util

    return jsonify(pid=os.getpid(), found=importlib.util.find_spec(name) is not None)
