"""The application of shop.py, for servers that speak ASGI (integration/test_tree_gunicorn.py)."""

from asgiref.wsgi import WsgiToAsgi
from shop import app as shop

app = WsgiToAsgi(shop)
