"""The key and the name of a row: what it is called in the store, and in files that are made from it."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ihcli.corpus.readers import Row
from ihcli.errors import InputError
from ihcli.output.naming import name_of_id, slug

if TYPE_CHECKING:
    from ihcli.windows import Window

KEY_DIGITS = 32
"""Hexadecimal digits of a key."""


@dataclass(frozen=True, slots=True)
class KeyedRow:
    """A row of the input with its key in the store and its name, which is also the name of its folder."""

    row: Row
    key: str
    name: str
    source: str | None = None
    """The input, as the command named it."""
    window: "Window | None" = None
    """The part of the input's text that this row is, where that is explained in windows."""


def with_keys(rows: Iterator[Row], identity: str, source: str | None = None) -> Iterator[KeyedRow]:
    """The rows with their names and keys.

    The name comes from the id, or from the text as `ih explain` names its folder; a name that occurred before gets ~2,
    ~3. The key is a digest of the texts, the id, the number of equal rows before it, and the identity of the run. So a
    row keeps its key when other rows are inserted before it, and two equal rows have two keys.
    """
    names, equal_rows = _Occurrences(), _Occurrences()
    prefix = hashlib.sha256(identity.encode("ascii"))
    for row in rows:
        parts = [row.text, row.text_pair, row.id, None if row.problem is None else "unreadable"]
        content = json.dumps(parts).encode("ascii")
        digest = prefix.copy()
        digest.update(content + b" %d" % equal_rows.count(content))
        base = _base_name(row)
        times = 1 if base is None else names.count(base.encode("utf-8"))
        name = base or f"row-{row.number}"
        yield KeyedRow(row, digest.hexdigest()[:KEY_DIGITS], name if times == 1 else f"{name}~{times}", source)


def in_windows(rows: Iterator[KeyedRow], divide: "Callable[[str], Sequence[Window]]") -> Iterator[KeyedRow]:
    """The rows, each window of a longer text as a row of its own: `NAME~window-2-of-5`, with a key of its own.

    A text that cannot be divided becomes a row with a problem.
    """
    for keyed in rows:
        if keyed.row.problem is not None:
            yield keyed
            continue
        try:
            windows = divide(keyed.row.text)
        except InputError as error:
            yield replace(keyed, row=replace(keyed.row, problem=f"{keyed.row.place}: {error}"))
            continue
        if len(windows) == 1:
            yield keyed
            continue
        for window in windows:
            key = hashlib.sha256(f"{keyed.key} {window.name}".encode("ascii")).hexdigest()[:KEY_DIGITS]
            row = replace(keyed.row, text=window.text)
            yield replace(keyed, row=row, key=key, name=f"{keyed.name}~{window.name}", window=window)


def in_shard(rows: Iterator[KeyedRow], index: int, count: int) -> Iterator[KeyedRow]:
    """The rows of shard `index` of `count`, counted from 1: every `count`-th row."""
    return (row for row in rows if (row.row.number - 1) % count == index - 1)


class _Occurrences:
    """Counts how often a value occurred, in a few bytes for each: an input may have millions of rows."""

    def __init__(self) -> None:
        self._once: set[int] = set()
        self._several: dict[int, int] = {}

    def count(self, value: bytes) -> int:
        """How often the value occurred, including this time."""
        hashed = int.from_bytes(hashlib.sha256(value).digest()[:8], "big")
        if hashed not in self._once:
            self._once.add(hashed)
            return 1
        self._several[hashed] = self._several.get(hashed, 1) + 1
        return self._several[hashed]


def _base_name(row: Row) -> str | None:
    """The name from the id or the text; None for a row that cannot be read and has no id."""
    if row.id is not None:
        return name_of_id(row.id)
    if row.problem is not None:
        return None
    return slug(row.text, row.text_pair)
