"""Explaining many texts: the rows of an input become a store, which other commands read."""

from collections.abc import Iterator
from pathlib import Path

from ihcli.results import Explanation


def iter_explanations(path: Path) -> Iterator[tuple[str, Explanation | str]]:
    """The name of every row of a store, with its explanation or the message of its error.

    The rows are read as a stream: memory holds one part.  Raises `StoreError` for a folder that is not a store, or a
    damaged one.
    """
    from ihcli.corpus.store_reading import ReadOnlyStore

    for outcome in ReadOnlyStore(path).outcomes():
        failure = f"{outcome.error}: {outcome.message}"
        yield outcome.keyed.name, failure if outcome.explanation is None else outcome.explanation
