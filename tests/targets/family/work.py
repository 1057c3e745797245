"""Work for children of family.py that are programs of their own; each line runs in one."""

import os


def where_am_i(number):
    for _ in range(100):  #: work
        number += 1  #: work
    return os.getpid()  #: work
