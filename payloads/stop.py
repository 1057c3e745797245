# Stop measuring and leave no trace, without the program covattach: `pyrasite PID payloads/stop.py`.
# Data that were not dumped before are lost; `covattach stop PID` writes a last report first.
#
# Like `start.py` this is executed in the target's `__main__`, and leaves no name behind.


def covattach_stop() -> None:
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
    request = {"protocol": 1, "verb": "stop"}
    # The agent does it in its own thread: this one belongs to the application.
    client = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    client.connect(agent.folder.path + "/agent.sock")
    client.sendall(json.dumps(request).encode() + b"\n")
    client.close()


try:
    covattach_stop()
finally:
    del covattach_stop
