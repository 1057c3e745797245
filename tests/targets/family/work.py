"""Work for children of family.py; every line runs in a child that is a program of its own."""

import os


def where_am_i(number):
    for _ in range(100):  #: work
        number += 1  #: work
    return os.getpid()  #: work
