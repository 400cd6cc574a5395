"""The parts of a store: Parquet files of rows, which are written once and never changed.

The name of a part has its number and the SHA-256 of its content, so a part that is incomplete or was changed is
recognised.  The manifest has a digest over the names of all parts, so a part that was removed or added is recognised.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ihcli.corpus.durable import read_regular_file
from ihcli.corpus.records import ERROR, REMEDY, SCHEMA, STATUSES
from ihcli.corpus.row_keys import KEY_DIGITS
from ihcli.counting import counted
from ihcli.errors import StoreError

PARTS = "parts"
"""Name of the folder of the parts."""
_NAME = re.compile(r"part-([0-9]{6,15})-([0-9a-f]{32})\.parquet")
_KEY = re.compile(rf"[0-9a-f]{{{KEY_DIGITS}}}")


@dataclass(frozen=True, slots=True)
class Part:
    """One file of rows: its number, and the digest that its content must have."""

    path: Path
    number: int
    digest: str

    @classmethod
    def new(cls, folder: Path, number: int, content: bytes) -> "Part":
        """The part for `content`, which is not written yet."""
        digest = _digest(content)
        return cls(folder / f"part-{number:06d}-{digest}.parquet", number, digest)

    def content(self) -> bytes:
        """The content; raises `StoreError` where it is not what was written."""
        try:
            content = read_regular_file(self.path)
        except OSError as error:
            raise _damaged(self, error.strerror or str(error)) from error
        if _digest(content) != self.digest:
            why = "its content does not have the digest of its name"
            raise _damaged(self, why)
        return content

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows of the part; raises `StoreError` for what is not written by `ih`.

        They are read in the caller's thread: one of Arrow's threads that releases a Python buffer while the interpreter
        ends would abort the process (apache/arrow#34314).
        """
        try:
            file = pq.ParquetFile(pa.BufferReader(self.content()), pre_buffer=False)
            if not file.schema_arrow.equals(SCHEMA):
                why = "it does not have the columns of a store"
                raise _damaged(self, why)
            table = file.read(columns=columns, use_threads=False)
            table.validate(full=True)
        except (OSError, pa.ArrowException, ValueError) as error:
            raise _damaged(self, (str(error).splitlines() or [type(error).__name__])[0]) from error
        return table

    def keys(self) -> list[tuple[str, str]]:
        """The key and the status of every row; raises `StoreError`."""
        table = self.read(["key", "status"])
        rows = list(zip(table["key"].to_pylist(), table["status"].to_pylist(), strict=True))
        wrong = next((row for row in rows if not _KEY.fullmatch(row[0] or "") or row[1] not in STATUSES), None)
        if wrong is not None:
            why = f"it has a row with the key {wrong[0]!r:.60} and the status {wrong[1]!r:.60}"
            raise _damaged(self, why)
        if len({key for key, _ in rows}) < len(rows):
            why = "it has a row twice"
            raise _damaged(self, why)
        return rows


def _damaged(part: Part, why: str) -> StoreError:
    return StoreError(f"{part.path}: the part is damaged ({why}). {REMEDY}")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


def list_parts(directory: Path) -> list[Part]:
    """The finished parts of a store by number; raises `StoreError` for a file that is named like one and is none."""
    parts = []
    for path in (directory / PARTS).glob("part-*.parquet"):
        match = _NAME.fullmatch(path.name)
        if match is None:
            message = f"{path}: is not a part of this store, though it is named like one. Move it elsewhere."
            raise StoreError(message)
        parts.append(Part(path, int(match[1]), match[2]))
    return sorted(parts, key=lambda part: (part.number, part.digest))


@dataclass(frozen=True, slots=True)
class PartsSeal:
    """What the manifest records of the parts: their count, the last number, and a digest over their names."""

    count: int = 0
    last: int = 0
    digest: str = ""

    def add(self, part: Part) -> "PartsSeal":
        """The seal after one more part."""
        name = f"{self.digest} {part.number} {part.digest}"
        return PartsSeal(self.count + 1, part.number, hashlib.sha256(name.encode("ascii")).hexdigest())

    @classmethod
    def of(cls, parts: Iterable[Part]) -> "PartsSeal":
        """The seal of parts in the order of their numbers."""
        seal = cls()
        for part in parts:
            seal = seal.add(part)
        return seal

    def broken(self, parts: Sequence[Part]) -> str | None:
        """What is wrong with the parts that are there, or None; later parts may exist, since a run may be killed."""
        sealed = [part for part in parts if part.number <= self.last]
        if PartsSeal.of(sealed).digest == self.digest:
            return None
        if len(sealed) < self.count:
            missing = self.count - len(sealed)
            return f"{missing} of its {counted(self.count, 'part')} {'is' if missing == 1 else 'are'} missing"
        return f"its parts are not the {self.count} that were written"


@dataclass(slots=True)
class StoreIndex:
    """For each key the part and the status of the row that counts: the latest, but an error never replaces a result."""

    entries: dict[bytes, tuple[int, str]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    damaged: dict[Part, StoreError] = field(default_factory=dict)
    """Parts that cannot be read, and why."""
    _shared: dict[tuple[int, str], tuple[int, str]] = field(default_factory=dict)

    @classmethod
    def read(cls, parts: Iterable[Part]) -> "StoreIndex":
        """The index of parts, of which every byte is checked; damaged parts are listed and not read."""
        index = cls()
        for part in parts:
            try:
                rows = part.keys()
            except StoreError as error:
                index.damaged[part] = error
            else:
                for key, status in rows:
                    index.add(key, status, part.number)
        return index

    def add(self, key: str, status: str, part: int) -> None:
        """Add a row."""
        place = bytes.fromhex(key)
        known = self.entries.get(place)
        if known is not None:
            if status == ERROR and known[1] != ERROR:
                return
            self.counts[known[1]] -= 1
        # One object for all rows with a part and a status: a store may have millions of rows.
        self.entries[place] = self._shared.setdefault((part, status), (part, status))
        self.counts[status] += 1

    def status(self, key: str) -> str | None:
        """The status of a row; None for a row that is not in the store."""
        entry = self.entries.get(bytes.fromhex(key))
        return None if entry is None else entry[1]

    def is_current(self, key: str, part: int) -> bool:
        """Whether the row of that part is the one that counts."""
        entry = self.entries.get(bytes.fromhex(key))
        return entry is not None and entry[0] == part
