"""A Django project in one file: two views to record, and one that others call all the time.

Used by integration/test_record.py.
"""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import path

settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="of this test")  # noqa: S106


def prices(request):
    total = add_up([3, 4])  # prices
    return answer(total=total)  # prices


def add_up(numbers):
    return sum(numbers)  # prices


def stock(request):
    left = count_left("tea")  # stock
    return answer(left=left)  # stock


def count_left(item):
    return len(item)  # stock


def health(request):
    return answer(well=is_well())


def is_well():
    return True


def answer(**facts):
    return JsonResponse({"pid": os.getpid(), **facts})  # prices  # stock


urlpatterns = [path("prices", prices), path("stock", stock), path("health", health)]
application = get_wsgi_application()
