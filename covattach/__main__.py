"""The program: `covattach`, and `python -m covattach`."""

import signal

from covattach import inherited


def main() -> None:
    """Run the command line.

    Until the command line has installed its own handlers, Ctrl-C ends the process at once: there is
    nothing to undo yet.
    """
    inherited.complete_streams()
    inherited.measure_nothing()
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:  # see `interrupts.ignored`
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from covattach.cli import run

    run()


if __name__ == "__main__":
    main()
