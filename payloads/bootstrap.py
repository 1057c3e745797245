"""The first code of covattach in a target: it executes unpatched.py, originals.py and launch.py.

It runs in a thread of the application, where compiling would take 1 to 5 ms.  So byte code that
covattach has compiled outside is used where possible.  Nothing is imported here, not even
`__future__`, and no name is used that applications often replace: see originals.py.
"""

TYPE_CHECKING = False  # as in `typing`, which is not imported here
if TYPE_CHECKING:
    from typing import Any

KEEP = "covattach.originals"  # the name under which the codec registry keeps `Originals`
# The namespace of importlib._bootstrap_external, reached by no name that may have been replaced.
IMPORTING: "Any" = next(
    one.find_spec.__globals__  # type: ignore[attr-defined]
    for one in object.__subclasses__()
    if one.__name__ == "FileFinder"
)
ORDER = ("unpatched", "originals", "launch")  # the payloads that are executed by this one
FUNCTION: "Any" = type(lambda: None)


def read(path: str) -> bytes:
    """Return the content of a file."""
    file = IMPORTING["_io"].FileIO(path)
    try:
        return bytes(file.readall())
    finally:
        file.close()


def first(folder: str) -> "list[Any]":
    """Return the code of ORDER: memoryviews of byte code, or source texts.

    `folder` has the payloads.  Its file `compiled` is used if it is for this version of Python.
    """
    magic = IMPORTING["MAGIC_NUMBER"]
    try:
        content = read(folder + "/compiled")
    except FileNotFoundError:
        content = b""
    if not content.startswith(magic):
        return [read(folder + "/" + name + ".py") for name in ORDER]
    found: list[Any] = []
    at = len(magic)
    for _ in ("bootstrap", *ORDER):
        size = int.from_bytes(content[at : at + 4], "little")
        found.append(memoryview(content)[at + 4 : at + 4 + size])
        at += 4 + size
    return found[1:]


def execute(content: "Any", name: str, space: "dict[str, Any]") -> None:
    """Execute `content` in the namespace `space`; that has its own `__builtins__`.

    `content` is a source text (bytes) or marshalled code (memoryview); `name` is for tracebacks.
    """
    if isinstance(content, bytes):
        code = compile(content, "<covattach " + name + ">", "exec")
    else:
        code = IMPORTING["marshal"].loads(content)
    FUNCTION(code, space)()


def codecs() -> "Any":
    """Return the C module `_codecs`, or a second instance of it if its functions were replaced."""
    found = IMPORTING["sys"].modules.get("_codecs")
    kind = type(IMPORTING["sys"].exc_info)
    if all(type(getattr(found, name, None)) is kind for name in ("lookup_error", "register_error")):
        return found
    found = IMPORTING["_imp"].create_builtin(IMPORTING["_bootstrap"].ModuleSpec("_codecs", None))
    IMPORTING["_imp"].exec_builtin(found)
    return found


def builtins(unpatched: "Any", originals: "Any") -> "Any":
    """Return the namespace of builtins for our modules, from the code of these two payloads.

    What an earlier session has made of the same code is reused, from the codec registry.  It stays
    there for ever: another thread may use it, and a copy for each session would be garbage.
    """
    try:
        kept = codecs().lookup_error(KEEP)
    except LookupError:
        kept = None
    key = bytes(unpatched) + bytes(originals)
    if kept is None or kept.key != key:
        space: dict[str, Any] = {"__name__": "_covattach.originals"}
        space["__builtins__"] = IMPORTING["__builtins__"]
        execute(unpatched, "unpatched", space)
        execute(originals, "originals", space)
        kept = space["Originals"](IMPORTING, key)
        codecs().register_error(KEEP, kept)
    return kept.builtins


def begin(told: "dict[str, Any]") -> None:
    """Execute launch.py in a namespace of its own, with SESSION, MAIN and TREE out of `told`.

    `told` is the namespace that the injector has made.  A new one is needed: until 3.9 code that
    shares its caller's namespace also shares the builtins (Objects/frameobject.c).
    """
    unpatched, originals, launch = first((told.get("SESSION") or told["TREE"]) + "/payloads")
    space = {"IMPORTING": IMPORTING, "__builtins__": builtins(unpatched, originals)}
    space.update((name, told[name]) for name in ("SESSION", "MAIN", "TREE") if name in told)
    execute(launch, "launch", space)


try:
    begin(globals())
finally:
    globals().clear()  # functions and their namespace are a reference cycle
