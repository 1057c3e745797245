"""The program: `covattach`, and `python -m covattach`."""

import signal

from covattach import inherited


def main() -> None:
    """Run the command line; a Ctrl-C before there is anything to undo just ends it."""
    inherited.complete_streams()
    inherited.measure_nothing()
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:  # see `interruption`
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from covattach.cli import run

    run()


if __name__ == "__main__":
    main()
