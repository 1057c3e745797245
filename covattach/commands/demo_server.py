"""The sample for `covattach demo`: a small threaded web server that never ends by itself.

It prints its port, and answers /price and /order; /refund is there, but nobody asks for it.
"""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PRICES = {"tea": 3, "coffee": 4}
ORDERS: list[tuple[str, int]] = []


def price(item: str) -> dict[str, object]:
    """Answer with an item's price."""
    if item not in PRICES:
        return {"error": f"we have no {item}"}
    return {"item": item, "price": PRICES[item]}


def order(item: str) -> dict[str, object]:
    """Take an order."""
    cost = PRICES.get(item)
    if cost is None:
        return {"error": f"we have no {item}"}
    ORDERS.append((item, cost))
    return {"orders": len(ORDERS), "total": sum(cost for _, cost in ORDERS)}


def refund(item: str) -> dict[str, object]:
    """Give the money back: the dead code that a report shows."""
    for number, (ordered, cost) in enumerate(ORDERS):
        if ordered == item:
            del ORDERS[number]
            return {"refunded": cost}
    return {"error": "there is no such order"}


HANDLERS = {"price": price, "order": order, "refund": refund}


class Shop(BaseHTTPRequestHandler):
    """One request, in a thread of its own."""

    def do_GET(self) -> None:
        """Answer /NAME/ITEM."""
        name, _, item = self.path.strip("/").partition("/")
        handler = HANDLERS.get(name)
        answer = handler(item) if handler else {"error": "not found"}
        body = json.dumps(answer).encode()
        self.send_response(200 if handler else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Be quiet."""


def keep_house() -> None:
    """Forget old orders: a thread that runs long before anybody attaches."""
    while True:
        time.sleep(0.05)
        while len(ORDERS) > 100:
            ORDERS.pop(0)


def main() -> None:
    """Serve for ever."""
    threading.Thread(target=keep_house, daemon=True).start()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
