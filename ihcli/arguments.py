"""What callers hand to the Python interface: configurations, texts with their pairs, and progress."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ihcli.attribution.evaluation import Progress
from ihcli.config import RunConfig, load
from ihcli.errors import ConfigError, UsageError


def as_config(config: RunConfig | Mapping[str, Any] | str | os.PathLike[str] | None) -> RunConfig:
    """A configuration from a record, nested values, a file's path, or nothing; raises `ConfigError`."""
    if isinstance(config, RunConfig):
        return config
    if config is None or isinstance(config, Mapping):
        return RunConfig.of(config)
    if not isinstance(config, str | os.PathLike):
        message = (  # type: ignore[unreachable]
            f"config is a {type(config).__name__}; it must be a RunConfig, nested values such as "
            '{"target": {"label": "POSITIVE"}}, the path of a YAML file, or None.'
        )
        raise ConfigError(message)
    return load(config, environ={}).config


def texts_with_pairs(
    text: str | Iterable[str | tuple[str, str]], text_pair: str | Iterable[str | None] | None
) -> tuple[list[tuple[str, str | None]], bool]:
    """The texts with their pairs, and whether one was given alone; raises `UsageError` for other types."""
    if isinstance(text, str):
        if text_pair is not None and not isinstance(text_pair, str):
            message = f"text_pair is a {type(text_pair).__name__}; beside one text it must be one text (str) or None."
            raise UsageError(message)
        return [(text, text_pair)], True
    if isinstance(text, bytes | bytearray | Mapping) or not isinstance(text, Iterable):
        message = f"text is a {type(text).__name__}; it must be a text (str), or several in a list."
        raise UsageError(message)
    given = list(text)
    if text_pair is None:
        return [_of_several(one, place) for place, one in enumerate(given)], False
    pairs = None if isinstance(text_pair, str | bytes | Mapping) or not isinstance(text_pair, Iterable) else (
        list(text_pair)
    )  # fmt: skip
    if pairs is None or len(pairs) != len(given):
        seen = type(text_pair).__name__ if pairs is None else f"list of {len(pairs)}"
        message = f"text_pair is a {seen} beside {len(given)} texts; it must be a list with one text for each, or None."
        raise UsageError(message)
    found = []
    for place, (one, pair) in enumerate(zip(given, pairs, strict=True)):
        words, own = _of_several(one, place)
        if own is not None or not (pair is None or isinstance(pair, str)):
            message = f"text_pair {place} is a {type(pair).__name__}; it must be a text (str), given once."
            raise UsageError(message)
        found.append((words, pair))
    return found, False


def _of_several(one: Any, place: int) -> tuple[str, str | None]:
    """One of several texts, alone or with its pair; raises `UsageError` for another type."""
    if isinstance(one, str):
        return one, None
    if isinstance(one, tuple | list) and len(one) == 2 and all(isinstance(side, str) for side in one):  # noqa: PLR2004
        return one[0], one[1]
    message = f"text {place} is a {type(one).__name__}; it must be a text (str), or a tuple of a text and its pair."
    raise UsageError(message)


@contextmanager
def reporting(progress: bool | Progress | None) -> Iterator[Progress | None]:
    """What reports progress: a bar of the terminal or the notebook where True is given."""
    if progress is True:
        from ihcli.output.notebook_progress import bar

        with bar() as shown:
            yield shown
        return
    if not (progress is None or progress is False or isinstance(progress, Callable)):  # type: ignore[arg-type]
        message = f"progress is {progress!r:.40}; it must be True, False, None or a function of three arguments."
        raise UsageError(message)
    yield progress or None
