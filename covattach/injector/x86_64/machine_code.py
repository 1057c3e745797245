"""The machine code of the detour (detour.py), as a listing: bytes and their instructions.

It saves all registers, and switches to a stack of its own.  Then it starts a thread that runs the
text, or arms the text, restores everything, and returns.  Behind the code lies the address of its
data, `block`.  Made with GNU as; SysV ABI, x86-64.  A line of the listing is 20 columns of bytes
and an instruction, or `# name:`, or `; comment`.
"""

from __future__ import annotations

from pathlib import Path

LISTING = Path(__file__).with_name("detour.lst").read_text(encoding="ascii").splitlines()
CODE = bytes.fromhex("".join(line[:20] for line in LISTING if line[:1] not in "#;"))
BEHIND = 2  # bytes by which the kernel moves the instruction pointer back (detour.py)


def place(name: str) -> int:
    """Return the offset of the label `name` in the code, in bytes."""
    before = LISTING[: LISTING.index(f"# {name}:")]
    return len(bytes.fromhex("".join(line[:20] for line in before if line[:1] not in "#;")))


UNDO = place("undo")
