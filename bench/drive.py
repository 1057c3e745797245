"""Have a target execute a file, by one tool's way in: `python -m bench.drive TOOL PID FILE`.

Each tool injects something else, such as an agent or a debugger.  To compare only the ways in, all
of them inject the same file here, by the function that the tool itself uses.
"""

from __future__ import annotations

import importlib
import importlib.util
import socket
import sys
import time
from pathlib import Path
from typing import Any

from covattach.injector.methods import inject
from covattach.process.interpreter import find_interpreter
from covattach.process.process import Process
from covattach.session import folder_lookup

PATIENCE = 8.0  # seconds; less than the bench's deadline, so that covattach gives up by itself
TOKEN = "import os; os.unlink(SESSION + '/token')\n"  # noqa: S105


def line(file: str) -> str:
    """Return a line of Python that executes `file`, without quotes, for debugpy cannot pass any."""
    return f"exec(open(bytes({list(file.encode())})).read())".replace(" ", "")


def covattach(pid: int, file: str) -> None:
    """Inject as `covattach start` does, with the file in place of the agent's first one."""
    process = Process(pid)
    place = folder_lookup.create(process)
    try:
        content = TOKEN + f"exec(open({file!r}).read())\n"
        place.add_file("payloads/launch.py", content.encode())
        deadline = time.monotonic() + PATIENCE
        injection = inject(process, find_interpreter(process), place, "auto", deadline)
        while not place.is_claimed() and time.monotonic() < deadline:
            time.sleep(0.002)
        injection.cancel()
    finally:
        place.remove()


def hypno(pid: int, file: str) -> None:
    """Inject by ptrace and dlopen."""
    importlib.import_module("hypno").inject_py(pid, line(file))


def debugpy(pid: int, file: str) -> None:
    """Inject as `debugpy --pid` does, by gdb and dlopen."""
    found = importlib.util.find_spec("debugpy")
    assert found is not None
    assert found.origin is not None
    pydevd = Path(found.origin).parent / "_vendored" / "pydevd"
    sys.path.insert(0, str(pydevd / "pydevd_attach_to_process"))
    importlib.import_module("add_code_to_python_process").run_python_code(pid, line(file))


def memray(pid: int, file: str) -> None:
    """Inject as `memray attach` does, by gdb, breakpoints on the allocators, and dlopen."""
    command: Any = importlib.import_module("memray.commands.attach").AttachCommand()
    client = command.inject_control_channel("gdb", pid)
    client.sendall(line(file).encode())
    client.shutdown(socket.SHUT_WR)
    while client.recv(4096):
        continue


if __name__ == "__main__":
    globals()[sys.argv[1]](int(sys.argv[2]), sys.argv[3])
