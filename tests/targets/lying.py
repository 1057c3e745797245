"""Tells covattach the lies in its argument, as a process that has been taken over can.

The argument is JSON: `name`, `facts` and `count` are for the session folders that it makes.
`files` are lines that it claims to have executed, and `more` are facts for its replies.  With
`answers` it listens as an agent does, and with `saved` it writes a snapshot.  It prints the
requests that it gets.  Used by the tests in attacks, through Liar of support/users.py.
"""

import contextlib
import json
import os
import socket
import struct
import sys
import threading
import time

FACTS = {
    "protocol": 1,
    "measuring": True,
    "python": "3.11.7",
    "core": "ctrace",
    "coverage": "7.6.1",
    "branch": False,
    "warnings": [],
    "since": time.time(),
    "points": 3,
    "off": "",
    "previous": "",
    "mark_ms": 1.0,
    "thread": 0,
    "snapshot_ms": 1.0,
    "kind": "lines",
    "taken": time.time(),
    "marshalled": 0,
    "file_tracers": {},
    "windows": [],
}


def start_time():
    with open("/proc/self/stat") as file:
        return int(file.read().rpartition(")")[2].split()[19])


def folder(name, facts):
    """Make a session folder with the name `name` and the facts given; return its path."""
    path = "/tmp/" + name  # noqa: S108  where sessions are
    os.mkdir(path, 0o700)
    own = {"pid": os.getpid(), "start_time": start_time(), "command": "lying", "cwd": os.getcwd()}
    own.update(created=time.time(), settings={})
    with open(path + "/session.json", "w") as file:
        json.dump({**own, **facts}, file)
    return path


def snapshot(files, more):
    """Return a snapshot's header and blob, which claim the lines in `files`."""
    numbers = [line for lines in files.values() for line in lines]
    header = {**FACTS, "files": [[name, len(lines)] for name, lines in files.items()], **more}
    return header, struct.pack(f"<{len(numbers)}q", *numbers)


def answer(door, header, blob):
    """Answer each request at the socket `door` with this header and blob, for ever."""
    while True:
        caller, _ = door.accept()
        with contextlib.suppress(OSError, ValueError), caller:
            asked = json.loads(caller.makefile("rb").readline())
            os.write(1, b"asked " + asked["verb"].encode() + b"\n")
            head = {**header, "blob": len(blob)}
            caller.sendall(json.dumps(head).encode() + b"\n" + blob)


def main(told):
    header, blob = snapshot(told.get("files", {}), told.get("more", {}))
    names = [told["name"] + "0" * n for n in range(told.get("count", 1))]
    for path in [folder(name, told.get("facts", {})) for name in names]:
        if told.get("saved"):
            with open(path + "/snapshot", "wb") as file:
                file.write(json.dumps(header).encode() + b"\n" + blob)
        if told.get("answers"):
            door = socket.socket(socket.AF_UNIX)
            door.bind(path + "/agent.sock")
            os.chmod(path + "/agent.sock", 0o600)
            door.listen(50)
            threading.Thread(target=answer, args=(door, header, blob), daemon=True).start()
    os.write(1, b"ready\n")
    os.read(0, 1)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
