"""A server of root's that becomes another user when it is told to, and then lies to covattach.

What happens after `drop` is what an attacker would do who has taken the process over, with its
descriptors.  Used by attacks/test_dropped_rights.py and test_standing.py.
"""

import os
import socket
import threading

import answering
import lying

lines = []


def later():
    """Execute a line that had not been executed before."""
    lines.append("later")


def drop(uid, saved=None):
    """Become the user `uid`; the saved user ID becomes `saved`, if given: 0 could be root again."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid if saved is None else saved)


def door():
    """Return the agent's listening socket, taken away from the agent, or None if there is none."""
    for number in sorted(map(int, os.listdir("/proc/self/fd"))):
        try:
            found = socket.socket(fileno=os.dup(number))
        except OSError:
            continue
        if found.family == socket.AF_UNIX and found.getsockopt(
            socket.SOL_SOCKET, socket.SO_ACCEPTCONN
        ):
            os.dup2(os.open("/dev/null", os.O_RDONLY), number)
            found.setblocking(True)
            return found
    return None


def take_over(files, more):
    """Answer in the agent's place, in a thread; return whether there was an agent.

    `files` and `more` are the lies, as for lying.py.
    """
    found = door()
    arguments = (found, *lying.snapshot(files, more))
    threading.Thread(target=lying.answer, args=arguments, daemon=True).start()
    return found is not None


def hand_over(files, more, program):
    """Have a child answer in the agent's place, and execute `program`, which is root's."""
    found = door()
    ready, told = os.pipe()
    if os.fork() == 0:
        os.write(told, b"x")
        lying.answer(found, *lying.snapshot(files, more))
    os.read(ready, 1)
    os.execv(program[0], program)  # noqa: S606  as an attacker would


answering.in_thread(globals())
threading.Event().wait()
