"""Many texts: rows in, a store that survives everything, and what can be read from it."""

from collections.abc import Iterator
from pathlib import Path

from ihcli.results import Explanation


def iter_explanations(path: Path) -> Iterator[tuple[str, Explanation | str]]:
    """Of every row of a store its name, and its explanation or the message of why there is none.

    A stream: memory holds one part.  Raises `StoreError` for what is no store, or a damaged one.
    """
    from ihcli.corpus.records import ERROR, to_explanation
    from ihcli.corpus.store import Reader

    for record in Reader(path).records():
        if record["status"] == ERROR:
            yield record["name"], f"{record['error']}: {record['message']}"
        else:
            yield record["name"], to_explanation(record)
