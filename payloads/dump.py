# Write the measured data without the program covattach: `pyrasite PID payloads/dump.py`.  The data
# file and coverage's HTML report, made in the target, go to the folder `covattach-PID` in the
# target's working directory.  `covattach dump PID` does better: it makes the report outside.
#
# Like `start.py` this is executed in the target's `__main__`, and leaves no name behind.


def covattach_dump() -> None:
    import _socket
    import json
    import os
    import sys

    # pyrasite puts its own folder and this one in front of `sys.path`, and leaves them there.
    for place in (1, 0):
        if len(sys.path) > place and os.path.exists(os.path.join(sys.path[place], "launch.py")):
            del sys.path[: place + 1]
            break
    agent = getattr(getattr(sys, "covattach", None), "covattach", None)
    if agent is None:
        return  # it is not measured, or not yet
    directory = os.path.join(os.getcwd(), "covattach-" + str(os.getpid()))
    request = {"protocol": 1, "verb": "save", "directory": directory}
    # The agent does it in its own thread: this one belongs to the application.
    client = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    client.connect(agent.folder.path + "/agent.sock")
    client.sendall(json.dumps(request).encode() + b"\n")
    client.close()


try:
    covattach_dump()
finally:
    del covattach_dump
