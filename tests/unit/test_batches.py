"""Batches of the agent's sets: sent, and sent again without going through them."""

from __future__ import annotations

import random
from typing import Any

import pytest
from covattach.payloads.snapshot.encoding import FILES, Batches

from covattach.snapshot.snapshot import decode

KINDS = ("lines", "arcs", "packed")
MANY = 3 * FILES + 7  # files


def some(kind: str, dice: random.Random, number: int) -> set[Any]:
    """Return so many lines or arcs."""
    lines = dice.sample(range(1, 5000), number)
    if kind == "arcs":
        return {(line, -dice.randrange(5000)) for line in lines}
    return {(1 << 56 | line << 28 | 7) if kind == "packed" else line for line in lines}


def sent(kind: str, batches: Batches, held: list[set[Any]]) -> list[set[Any]]:
    """Encode the sets, decode the bytes, and return the sets read."""
    counts, blob = batches.encode(held)
    ends = 2 if kind == "arcs" else 1
    header = {
        "kind": kind,
        "marshalled": kind != "packed" and FILES,
        "files": [[f"/{place}.py", ends * count] for place, count in enumerate(counts)],
        "taken": 1.0,
    }
    found: Any = decode(header, b"".join(blob)).files
    if kind == "packed":
        return [{1 << 56 | line << 28 | -first for first, line in one} for one in found.values()]
    return list(found.values())


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("kind", KINDS)
def test_whatever_becomes_of_the_sets(kind: str, seed: int) -> None:
    """Sets are sent as they are: grown, replaced, new, or emptied and filled with as much."""
    # GIVEN the sets of more files than a batch has
    dice = random.Random(seed)  # noqa: S311
    held = [some(kind, dice, dice.randrange(40)) for _ in range(MANY)]
    batches = Batches(kind)
    for turn in range(20):
        # WHEN they are sent / THEN the same sets are read
        assert sent(kind, batches, held) == held

        # GIVEN that some of them have changed since
        dice.choice(held).update(some(kind, dice, 3))
        place = dice.randrange(len(held))
        others = some(kind, dice, len(held[place]))
        if turn % 2:
            held[place] = others
        else:
            held[place].clear()
            batches.discard()
            held[place].update(others)
            held.append(some(kind, dice, 5))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_as_it_was_is_not_gone_through(kind: str) -> None:
    """One grown file has its batch of 32 encoded again; the bytes of other batches are kept."""
    # GIVEN sets that were sent
    dice = random.Random(7)  # noqa: S311
    held = [some(kind, dice, 40) for _ in range(MANY)]
    batches = Batches(kind)
    _, first = batches.encode(held)

    # WHEN one has grown
    held[FILES].update(some(kind, dice, 50))
    _, second = batches.encode(held)

    # THEN the bytes of its batch are others, and the rest are the very same
    assert [one is other for one, other in zip(first, second, strict=True)] == [1, 0, 1, 1]
