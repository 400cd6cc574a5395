"""The command class of `ih`: every failure becomes one message and an exit code, and usage errors get a hint.

The only place that maps exceptions of other libraries to errors of `ih`.
"""

import difflib
import errno
import functools
import inspect
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Annotated, Any, TextIO, cast

import typer
from typer.core import TyperCommand

from ihcli.errors import DeviceError, ExitCode, IhError, InputError, OutputError
from ihcli.text_safety import clean_text, without_log_commands

_UsageError = cast("type[Exception]", typer.BadParameter.__mro__[1])  # Typer brings its own copy of click
_VERBOSE = Annotated[bool, typer.Option("--verbose", "-v", help="with the traceback of an error")]


class IhCommand(TyperCommand):
    """A command whose every failure is one message on standard error and its exit code."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the command line; a usage error says what to write instead where that can be told."""
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except _UsageError as error:
            takes_text = any(parameter.name in {"text", "texts"} for parameter in self.params)
            error.message = _with_hint(str(error.message), given, takes_text=takes_text)  # type: ignore[attr-defined]
            raise

    def invoke(self, ctx: Any) -> Any:
        """Run the command, with its failures reported."""
        with reported(verbose=bool(ctx.params.get("verbose"))):
            _require_streams()
            return super().invoke(ctx)


def with_verbose(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the option `--verbose`, which `IhCommand` reads and the command does not see."""
    signature = inspect.signature(command)
    if "verbose" in signature.parameters:
        return command

    @functools.wraps(command)
    def without_verbose(*, verbose: bool = False, **values: Any) -> None:
        del verbose
        command(**values)

    option = inspect.Parameter("verbose", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=_VERBOSE)
    own = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in signature.parameters.values()]
    without_verbose.__signature__ = signature.replace(parameters=[*own, option])  # type: ignore[attr-defined]
    without_verbose.__annotations__ = {**command.__annotations__, "verbose": _VERBOSE}
    return without_verbose


def run(app: Callable[..., Any]) -> None:
    """Run the command line and leave with its exit code, also where a stream cannot be written."""
    if sys.stderr is not None:
        sys.stderr = cast("TextIO", _Unneeded(sys.stderr))
    try:
        with reported():
            _require_streams()
            app(prog_name="ih")
    except typer.Exit as ended:
        sys.exit(ended.exit_code)


class _Unneeded:
    """Standard error: what cannot be written to it is discarded, and changes no exit code."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text, if that is possible."""
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Write what is waiting, if that is possible."""
        with suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        """Everything else is that of the stream."""
        return getattr(self._stream, name)


@contextmanager
def reported(*, verbose: bool = False) -> Iterator[None]:
    """Turn every exception into a message and `typer.Exit`; `verbose` adds the traceback."""
    try:
        try:
            yield
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()  # or a closed pipe shows only when the interpreter ends
    except (typer.Exit, typer.Abort, typer.BadParameter):
        raise
    except KeyboardInterrupt as interruption:
        _say("interrupted")
        raise typer.Exit(ExitCode.INTERRUPTED) from interruption
    except (BrokenPipeError, SystemExit) as error:
        _require_broken_pipe(error)
        _discard_output()
        raise typer.Exit(ExitCode.CLOSED_PIPE) from error
    except Exception as error:
        if isinstance(error, OSError) and error.filename is None:
            _discard_output()
        known = error if isinstance(error, IhError) else translate(error)
        if known is None:
            traceback.print_exc()
            _say(f"error: {type(error).__name__}: this is a fault of ih itself; please report it with the lines above.")
            raise typer.Exit(ExitCode.FAULT) from error
        if verbose:
            traceback.print_exc()
        _say(f"error: {known}")
        raise typer.Exit(known.exit_code) from error


def _require_broken_pipe(error: BrokenPipeError | SystemExit) -> None:
    """Raise the end of the program that no closed pipe caused; Rich and Typer turn a closed pipe into one with 1."""
    if isinstance(error, SystemExit) and not isinstance(error.__context__, BrokenPipeError):
        raise error


def translate(error: Exception) -> IhError | None:
    """The error of `ih` that an exception of another library amounts to; None where it is a fault of `ih`."""
    if isinstance(error, MemoryError) or _is_named(error, "torch", "OutOfMemoryError"):
        first = next(iter(str(error).splitlines()), "")
        return DeviceError(
            f"Out of memory{f' ({first})' if first else ''}. Set --memory below what is free, explain larger units "
            "(--units word or sentence), or choose another --device."
        )
    if isinstance(error, UnicodeEncodeError):
        return _unencodable(error)
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        reason = error.strerror or str(error)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            place = place or "Standard output or a file: "
            return OutputError(f"{place}{reason}. Free some space, or write to another place.")
        if error.errno is not None:
            return InputError(f"{place}{reason}.")
    return None


def _unencodable(error: UnicodeEncodeError) -> OutputError:
    """What to say of a character that cannot be written."""
    shown = ascii(error.object[error.start : error.end])[:80]
    if any("\ud800" <= character <= "\udfff" for character in error.object[error.start : error.end]):
        return OutputError(f"The output holds half of a surrogate pair ({shown}), which no encoding can write.")
    return OutputError(
        f"The terminal's encoding {error.encoding} cannot write {error.object[error.start : error.end]!r}. "
        "Set PYTHONIOENCODING=utf-8 or use a UTF-8 locale."
    )


def _is_named(error: Exception, package: str, name: str) -> bool:
    """Whether an exception is of a class known only by name: importing its package costs seconds."""
    return any(kind.__name__ == name and kind.__module__.partition(".")[0] == package for kind in type(error).__mro__)


def _require_streams() -> None:
    """Raise `OutputError` where standard output is closed; what goes to a closed standard error is discarded."""
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - open as long as the process
    if sys.stdout is None:
        message = "Standard output is closed, so nothing can be shown. Redirect it to a file or to /dev/null."
        raise OutputError(message)


def _discard_output() -> None:
    """Send to nowhere what Python would still flush at its end, which would fail again."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _with_hint(message: str, given: Sequence[str], *, takes_text: bool) -> str:
    """The message of a usage error, with what to write instead."""
    message = message.replace("Value error, ", "")
    unknown = re.fullmatch(r"No such option: (-\S)", message)
    if unknown is not None and takes_text:
        text = next((one for one in given if one.startswith(unknown[1]) and not one.startswith("--")), None)
        if text is not None and (" " in text or not text[1:2].isalpha()):
            return f"{message}. To give a text that begins with a hyphen, write -- before it: -- {text!r}"
    if message.startswith("Got unexpected extra argument") and takes_text:
        if sum(" " in one for one in given if not one.startswith("-")) > 1:
            return f"{message}. This command explains one text; for several, write one a line to a file: ih batch FILE."
        return f"{message}. Put the text in quotes, so that it is one argument."
    chosen = re.fullmatch(r"'(.*)' is not one of ('.*')\.?", message, re.DOTALL)
    if chosen is not None:
        close = difflib.get_close_matches(chosen[1].lower(), re.findall(r"'([^']*)'", chosen[2]), n=1)
        return f"{message}{f' Did you mean {close[0]}?' if close else ''}"
    return message


def _say(message: str) -> None:
    typer.echo(without_log_commands(clean_text(message)), err=True)
