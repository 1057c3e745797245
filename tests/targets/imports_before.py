"""The module that imports.py imports before the attach (integration/test_imports.py)."""

FIRST = 1  # before


class Thing:  # before
    attribute = FIRST  # before

    def method(self):  # before
        return self.attribute


def used():  # before
    return 1


def unused():  # before
    return 2


try:  # before
    import nowhere  # before
except ImportError:
    nowhere = None
if __name__ == "__main__":  # before
    used()
LAST = 2  # before
