# Start measuring without the program covattach: `pyrasite PID payloads/start.py`, or pasted at the
# prompt of a debugger that has this folder in `sys.path`.  The session is one like any other:
# `covattach dump PID` and `covattach stop PID` work on it, and so do `dump.py` and `stop.py` here.
#
# This is executed in the target's `__main__`, so it leaves no name behind, and has comments
# instead of a docstring, which would replace the program's own.


def covattach_start() -> None:
    import json
    import os
    import sys
    import time

    # pyrasite puts its own folder and this one in front of `sys.path`, and leaves them there.
    folder = ""
    for place in (1, 0):
        if len(sys.path) > place and os.path.exists(os.path.join(sys.path[place], "launch.py")):
            folder = os.path.abspath(sys.path[place])
            del sys.path[: place + 1]
            break
    if not folder or hasattr(sys, "covattach"):
        return
    session = "/tmp/covattach-" + os.urandom(6).hex()  # noqa: S108  random, and of mode 0700
    os.mkdir(session, 0o700)
    os.symlink(folder, session + "/payloads")
    with open("/proc/self/stat", encoding="utf-8", errors="replace") as file:
        start_time = int(file.read().rpartition(")")[2].split()[19])
    with open("/proc/self/cmdline", "rb") as file:
        command = file.read().replace(b"\0", b" ").decode(errors="replace")
    facts = {
        "pid": os.getpid(),
        "start_time": start_time,
        "command": command,
        "cwd": os.getcwd(),
        "created": time.time(),
        "method": "payload",
    }
    with open(session + "/session.json", "w", encoding="utf-8") as file:
        json.dump(facts, file)
    with open(session + "/request.json", "w", encoding="utf-8") as file:
        json.dump({"verb": "start", "options": {}}, file)
    os.close(os.open(session + "/token", os.O_CREAT | os.O_CLOEXEC, 0o600))
    with open(folder + "/bootstrap.py", encoding="utf-8") as file:
        exec(file.read(), {"SESSION": session})


try:
    covattach_start()
finally:
    del covattach_start
