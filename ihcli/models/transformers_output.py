"""What the libraries print and raise while a model is loaded: silenced, or one line of it."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ihcli.errors import IhError


@contextmanager
def silenced() -> Iterator[None]:
    """Without the progress bars, reports and warnings of transformers: what matters of them becomes an error."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def some(keys: Sequence[str], most: int = 3) -> str:
    """The first few of a list of names, and how many more there are."""
    return ", ".join(keys[:most]) + (f" and {len(keys) - most} more" if len(keys) > most else "")


def first_line(error: BaseException) -> str:
    """The first line of an error's message; the whole message of an error of ours."""
    if isinstance(error, IhError):
        return str(error)
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
