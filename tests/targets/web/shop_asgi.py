"""The shop for servers that speak ASGI."""

from asgiref.wsgi import WsgiToAsgi
from shop import app as shop

app = WsgiToAsgi(shop)
