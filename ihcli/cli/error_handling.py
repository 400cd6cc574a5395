"""Where errors become one message and an exit code: the only place that maps foreign exceptions."""

import errno
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import typer
from typer.core import TyperCommand

from ihcli.cli.texts import strip_control_characters
from ihcli.errors import DeviceError, IhError, InputError, OutputError

INTERRUPTED = 128 + signal.SIGINT
CLOSED_PIPE = 141  # what a shell reports of any program whose reader has gone: 128 + SIGPIPE
INTERNAL = 70  # a fault of ih itself (EX_SOFTWARE); 1 would read as a regression


class BoundedCommand(TyperCommand):
    """A command whose every failure is one message on standard error and the exit code of the contract."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command inside the boundary."""
        with boundary(verbose=bool(ctx.params.get("verbose"))):
            return super().invoke(ctx)


@contextmanager
def boundary(*, verbose: bool = False) -> Iterator[None]:
    """Turn every exception into a message and `typer.Exit`; `verbose` adds the traceback."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()  # or a closed pipe shows only when the interpreter ends
    except (typer.Exit, typer.Abort, typer.BadParameter):
        raise
    except KeyboardInterrupt as interruption:
        _say("interrupted")
        raise typer.Exit(INTERRUPTED) from interruption
    except BrokenPipeError as error:
        # Nobody reads on; what Python would still flush at its end must not fail again.
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(CLOSED_PIPE) from error
    except Exception as error:
        known = error if isinstance(error, IhError) else translate(error)
        if known is None:
            traceback.print_exc()
            _say(f"error: {type(error).__name__}: this is a fault of ih itself; please report it with the lines above.")
            raise typer.Exit(INTERNAL) from error
        if verbose:
            traceback.print_exc()
        _say(f"error: {known}")
        raise typer.Exit(known.exit_code) from error


def translate(error: Exception) -> IhError | None:
    """The error of our tree that a foreign exception amounts to, or None where only a fault explains it."""
    if isinstance(error, MemoryError) or _is_named(error, "torch", "OutOfMemoryError"):
        first = next(iter(str(error).splitlines()), "")
        return DeviceError(
            f"The memory of the device does not suffice{f' ({first})' if first else ''}. Set --memory below what is "
            "free, explain larger units (--units word or sentence), or choose another --device."
        )
    if isinstance(error, UnicodeEncodeError):
        return OutputError(
            f"The terminal's encoding {error.encoding} cannot write {error.object[error.start : error.end]!r}. "
            "Set PYTHONIOENCODING=utf-8 or use a UTF-8 locale."
        )
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        reason = error.strerror or str(error)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return OutputError(f"{place}{reason}. Free some space, or choose another folder with -o.")
        if error.errno is not None:
            return InputError(f"{place}{reason}.")
    return None


def _is_named(error: Exception, package: str, name: str) -> bool:
    """Whether an exception is of a class known only by name: importing its package costs seconds."""
    return any(kind.__name__ == name and kind.__module__.partition(".")[0] == package for kind in type(error).__mro__)


def _say(message: str) -> None:
    typer.echo(strip_control_characters(message), err=True)
