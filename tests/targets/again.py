"""Has a generator that is suspended at the end of one session, and runs when the next begins.

Used by payloads/test_adoption.py.
"""

import threading

import answering

turn = threading.Semaphore(0)
pause = threading.Semaphore(0)
running = threading.Semaphore(0)
rounds = []


def steps():
    while True:
        yield  # on
        running.release()
        pause.acquire()
        rounds.append(len(rounds))  # on


def work():
    for _ in generator:
        turn.acquire()  # on


def go_on():
    turn.release()
    running.acquire()


generator = steps()
threading.Thread(target=work, daemon=True).start()
answering.in_thread(globals())
threading.Event().wait()
