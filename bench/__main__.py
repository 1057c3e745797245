"""Run one bench, or all of them: `python -m bench [NAME [OPTIONS]]`."""

from __future__ import annotations

import importlib
import sys
from typing import Any

BENCHES = ("attach", "bringing_in", "dump", "help", "imports", "overhead", "run", "tree")


def load(name: str) -> Any:
    """Return the module of a bench; its `main` takes the command-line words behind the name."""
    return importlib.import_module(f"bench.{name}")


def main(words: list[str]) -> int:
    """Run the bench that `words` name, or list all and run them one after the other."""
    if words and words[0] not in BENCHES:
        print(f"There is no bench {words[0]}: there are {', '.join(BENCHES)}.", file=sys.stderr)
        return 2
    if words:
        load(words[0]).main(words[1:])
        return 0
    for name in BENCHES:
        print(f"{name:12} {load(name).__doc__.splitlines()[0]}")
    for name in BENCHES:
        print(f"\n{name}", flush=True)
        load(name).main([])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
