"""A program that family.py starts; it tells if it can tell that it is measured."""  #: program

import os  #: program
import sys  #: program

OURS = "/tmp/covattach-"  # noqa: S108  #: program


def main(names):  #: program
    found = [name for name in names if OURS in name or "COVATTACH" in name]  #: program
    found += [entry for entry in sys.path if OURS in entry]  #: program
    found += [name for name in sys.modules if "covattach" in name]  #: program
    custom = getattr(sys.modules.get("sitecustomize"), "__file__", "")  #: program
    if "covattach-" in custom or found:  #: program
        os.write(1, f"shows: {found} {custom}\n".encode())
    return len(found)  #: program


sys.exit(main([f"{name}={value}" for name, value in os.environ.items()]))  #: program
