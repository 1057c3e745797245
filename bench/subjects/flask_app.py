"""A small Flask application, and its client in the same process, so that no network disturbs."""

from __future__ import annotations

from typing import Any

import flask

app = flask.Flask(__name__)
SHELF = [{"title": f"Book {number}", "price": number % 40} for number in range(25)]
PAGE = "{% for book in books %}<li>{{ book.title|upper }}: {{ book.price }}</li>{% endfor %}"


@app.route("/shelf/<int:most>")
def shelf(most: int) -> Any:
    """Return a page of the books that cost `most` or less."""
    books = [book for book in SHELF if book["price"] <= most]
    return flask.render_template_string(PAGE, books=books)


@app.route("/book", methods=["POST"])
def book() -> Any:
    """Return the book that is asked for."""
    wanted = flask.request.get_json()["title"]
    for one in SHELF:
        if one["title"] == wanted:
            return flask.jsonify(one)
    return flask.jsonify(error="no such book"), 404


CLIENT = app.test_client()


def request() -> None:
    """Send a few requests."""
    for number in range(5):
        CLIENT.get(f"/shelf/{number * 7}")
        CLIENT.post("/book", json={"title": f"Book {number * 8}"})
