"""The entry of `ih` and of `python -m ihcli`."""

import sys

from ihcli.errors import ExitCode


def main() -> None:
    """Run the command line and leave with its exit code."""
    try:
        from ihcli.cli.app import app
        from ihcli.runtime import lean_imports

        lean_imports.allow()
        app(prog_name="ih")
    except KeyboardInterrupt:  # before a command had begun
        sys.exit(ExitCode.INTERRUPTED)


if __name__ == "__main__":
    main()
