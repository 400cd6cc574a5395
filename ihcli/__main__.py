"""The entry of `ih` and of `python -m ihcli`."""

import atexit
import os
import sys
import threading

from ihcli.errors import ExitCode


def main() -> None:
    """Run the command line and leave with its exit code."""
    try:
        from ihcli.cli.app import app
        from ihcli.cli.error_handling import run as run_app
        from ihcli.runtime import lean_imports

        lean_imports.allow()
        run_app(app)
    except KeyboardInterrupt:  # before a command had begun
        sys.exit(ExitCode.INTERRUPTED)


def run() -> None:
    """Run the command line and end the process.

    The interpreter would free the memory of all imported modules piece by piece at its end, an eighth of the processor
    time of a short command. What else it does at its end is done here; where that is not all, it does it itself.
    """
    try:
        main()
    except SystemExit as end:
        if not (end.code is None or isinstance(end.code, int)) or threading.active_count() > 1:
            raise
        atexit._run_exitfuncs()  # noqa: SLF001  (there is no public name for what the interpreter calls)
        try:
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    stream.flush()
        except (OSError, ValueError):  # a closed pipe: the interpreter says so
            raise end from None
        os._exit((end.code or 0) & 0xFF)


if __name__ == "__main__":
    run()
