"""The first code of ours in a target: it finds the interpreter's own functions, and launches.

It runs in a thread of the application's, and compiling would take 1 to 5 ms of its time.  So code
that covattach has compiled is used where possible.  Nothing is imported here, not even
`__future__`, and no name is used that is often replaced: see originals.py.
"""

TYPE_CHECKING = False  # as in `typing`, which is not imported here
if TYPE_CHECKING:
    from typing import Any

KEEP = "covattach.originals"  # in the codec registry, see coverage_package.py
# The namespace of importlib's own module, found by no name that somebody may have replaced.
IMPORTING: "Any" = next(
    one.find_spec.__globals__  # type: ignore[attr-defined]
    for one in object.__subclasses__()
    if one.__name__ == "FileFinder"
)
FUNCTION: "Any" = type(lambda: None)


def read(path: str) -> bytes:
    """Return the content of a file."""
    file = IMPORTING["_io"].FileIO(path)
    try:
        return bytes(file.readall())
    finally:
        file.close()


def first(folder: str) -> "list[Any]":
    """Return originals.py and launch.py out of the payloads: as they are compiled, or as texts."""
    magic = IMPORTING["MAGIC_NUMBER"]
    try:
        content = read(folder + "/compiled")
    except FileNotFoundError:
        content = b""
    if not content.startswith(magic):
        return [read(folder + "/originals.py"), read(folder + "/launch.py")]
    found: list[Any] = []
    at = len(magic)
    for _ in ("bootstrap", "originals", "launch"):
        size = int.from_bytes(content[at : at + 4], "little")
        found.append(memoryview(content)[at + 4 : at + 4 + size])
        at += 4 + size
    return found[1:]


def execute(content: "Any", name: str, space: "dict[str, Any]") -> None:
    """Execute a source text, or code from `marshal`, in a namespace that has its builtins."""
    if isinstance(content, bytes):
        code = compile(content, "<covattach " + name + ">", "exec")
    else:
        code = IMPORTING["marshal"].loads(content)
    FUNCTION(code, space)()


def codecs() -> "Any":
    """Return the module `_codecs`, as it is or, where somebody has replaced it, made anew."""
    found = IMPORTING["sys"].modules.get("_codecs")
    kind = type(IMPORTING["sys"].exc_info)
    if all(type(getattr(found, name, None)) is kind for name in ("lookup_error", "register_error")):
        return found
    found = IMPORTING["_imp"].create_builtin(IMPORTING["_bootstrap"].ModuleSpec("_codecs", None))
    IMPORTING["_imp"].exec_builtin(found)
    return found


def builtins(content: "Any") -> "Any":
    """Return the builtins of our modules, as an earlier session has kept them if it was the same.

    They are kept for good: another thread may use them, and each copy would be garbage.
    """
    try:
        kept = codecs().lookup_error(KEEP)
    except LookupError:
        kept = None
    key = bytes(content)
    if kept is None or kept.key != key:
        space: dict[str, Any] = {"__name__": "_covattach.originals"}
        space["__builtins__"] = IMPORTING["__builtins__"]
        execute(content, "originals", space)
        kept = space["Originals"](IMPORTING, key)
        codecs().register_error(KEEP, kept)
    return kept.builtins


def begin(told: "dict[str, Any]") -> None:
    """Execute launch.py in a namespace of its own, with the SESSION, MAIN and TREE in `told`.

    Until 3.9 code that shares its caller's also shares the builtins (Objects/frameobject.c).
    """
    originals, launch = first((told.get("SESSION") or told["TREE"]) + "/payloads")
    space = {"IMPORTING": IMPORTING, "__builtins__": builtins(originals)}
    space.update((name, told[name]) for name in ("SESSION", "MAIN", "TREE") if name in told)
    execute(launch, "launch", space)


try:
    begin(globals())
finally:
    globals().clear()  # functions and their names refer to each other
