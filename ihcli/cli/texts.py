"""One text from the command line, standard input or a file."""

import sys
from pathlib import Path

import typer

from ihcli.errors import InputError, UsageError
from ihcli.input_files import read_file
from ihcli.text_lines import other_encoding

_MOST_BYTES = 64 << 20
"""Bytes that a file or standard input may hold; no model reads as many."""


def read_text(text: str | None, file: Path | None, *, quiet: bool = False) -> str:
    """The one text that was given; raises `UsageError` or `InputError`."""
    if (text is None) == (file is None):
        what = "No text was given" if text is None else "A text and --file were both given"
        message = f"{what}. Give one of TEXT, - for standard input, and --file FILE."
        raise UsageError(message)
    if file is not None:
        return _decoded(_content(file), str(file))
    if text == "-":
        return _decoded(_standard_input(quiet=quiet), "standard input")
    return checked(str(text), "TEXT")


def checked(text: str, name: str) -> str:
    """A text that came as an argument: real characters, not blank."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:  # bytes that were no UTF-8 arrive as lone surrogates
        message = f"{name} is not UTF-8: invalid byte at character {error.start}. Give it as UTF-8."
        raise InputError(message) from error
    if not text.strip():
        message = f"{name} is {'blank' if text else 'empty'}. Give a text with at least one word."
        raise InputError(message)
    return text


def names_a_file(text: str | None) -> bool:
    """Whether an argument that was meant as a text is also the name of a file."""
    try:
        return text not in (None, "-") and Path(str(text)).is_file()
    except (OSError, ValueError):  # too long for a name, or with a null character
        return False


def _standard_input(*, quiet: bool) -> bytes:
    if sys.stdin is None:
        message = "Standard input is closed. Give the text as an argument, or in a file with --file."
        raise InputError(message)
    if sys.stdin.isatty() and not quiet:
        typer.echo("Type the text; end it with Ctrl-D.", err=True)
    content = sys.stdin.buffer.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        message = f"Standard input holds more than {_MOST_BYTES:,} bytes; a text is shorter. Give one text."
        raise InputError(message)
    return content


def _content(file: Path) -> bytes:
    try:
        return read_file(file, _MOST_BYTES)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        message = f"{file}: cannot be read ({reason}). Give a file that holds one text as UTF-8."
        raise InputError(message) from error


def _decoded(content: bytes, name: str) -> str:
    """UTF-8 without its byte-order mark and without the line end that closes the last line."""
    encoding = other_encoding(content)
    if encoding is not None:
        message = f"{name}: is {encoding}, and must be UTF-8. Convert it: `iconv -f {encoding} -t UTF-8`."
        raise InputError(message)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = (
            f"{name}: is not UTF-8: byte {error.start} is 0x{content[error.start]:02x} ({error.reason}). "
            "Convert it, for example with `iconv -f LATIN1 -t UTF-8`."
        )
        raise InputError(message) from error
    return checked(text.rstrip("\r\n"), name)
