"""The store of a run: a manifest and append-only Parquet parts, the only authority for what is done.

A part is written beside, synchronised and renamed, under a name that carries its number and its SHA-256: whatever
happens, a part is whole, or is seen not to be and its rows are done again.
"""

import hashlib
import io
import json
import os
import platform
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import filelock
import pyarrow as pa
import pyarrow.parquet as pq

from ihcli.corpus.durable import BESIDE, sync_folder, write_durably
from ihcli.corpus.identity import Identity
from ihcli.corpus.records import ERROR, to_table
from ihcli.errors import OutputError, StoreError

MANIFEST, PARTS, LOCK, HOLDER = "manifest.json", "parts", ".lock", ".holder"
STORE_SCHEMA = "ihcli.store/2"
_DIGEST = 32
"""Hexadecimal digits of a part's digest in its name."""


@dataclass(frozen=True, slots=True)
class Part:
    """One file of rows: its number and the digest that its content must have."""

    path: Path
    number: int
    digest: str

    @classmethod
    def of(cls, path: Path) -> "Part | None":
        """From a name `part-NUMBER-DIGEST.parquet`; None for another file."""
        pieces = path.name.removesuffix(".parquet").split("-")
        if path.suffix != ".parquet" or len(pieces) != 3 or pieces[0] != "part" or not pieces[1].isdigit():  # noqa: PLR2004
            return None
        return cls(path, int(pieces[1]), pieces[2])

    @classmethod
    def new(cls, folder: Path, number: int, content: bytes) -> "Part":
        """The part that will hold `content`."""
        digest = _digest(content)
        return cls(folder / f"part-{number:06d}-{digest}.parquet", number, digest)

    def named(self, number: int) -> str:
        """The name of its content under another number."""
        return f"part-{number:06d}-{self.digest}.parquet"

    def content(self) -> bytes | None:
        """The bytes, or None where they are not what was written."""
        try:
            found = self.path.read_bytes()
        except OSError:
            return None
        return found if _digest(found) == self.digest else None


@dataclass(frozen=True, slots=True)
class Entry:
    """Where the row of a key stands: the number of its part and its status."""

    part: int
    status: str


@dataclass(slots=True)
class Index:
    """Of each key the row that counts: the latest, but a result is never replaced by an error."""

    entries: dict[bytes, Entry] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    damaged: list[Part] = field(default_factory=list)

    def add(self, key: str, status: str, part: int) -> None:
        """Note a row."""
        place = bytes.fromhex(key)
        known = self.entries.get(place)
        if known is not None:
            if status == ERROR and known.status != ERROR:
                return
            self.counts[known.status] -= 1
        self.entries[place] = _entry(part, status)
        self.counts[status] += 1

    def status(self, key: str) -> str | None:
        """The status of a row, None where it is not done."""
        found = self.entries.get(bytes.fromhex(key))
        return None if found is None else found.status

    def counts_for(self, key: str, part: int) -> bool:
        """Whether the row in that part is the one that counts."""
        found = self.entries.get(bytes.fromhex(key))
        return found is not None and found.part == part


_SHARED: dict[tuple[int, str], Entry] = {}


def _entry(part: int, status: str) -> Entry:
    """One object for all rows of a part with a status: a store may hold millions."""
    if len(_SHARED) > 1 << 16:
        _SHARED.clear()
    return _SHARED.setdefault((part, status), Entry(part, status))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_DIGEST]


def parts_of(directory: Path) -> list[Part]:
    """The finished parts, by number."""
    found = (Part.of(path) for path in (directory / PARTS).glob("part-*.parquet"))
    return sorted((part for part in found if part is not None), key=lambda part: (part.number, part.digest))


def read_index(directory: Path) -> Index:
    """Go through the keys of all parts, checking every byte; damaged parts are listed, not read."""
    index = Index()
    for part in parts_of(directory):
        content = part.content()
        if content is None:
            index.damaged.append(part)
            continue
        table = _table(content, ["key", "status"])
        for key, status in zip(table["key"].to_pylist(), table["status"].to_pylist(), strict=True):
            index.add(key, status, part.number)
    return index


def _table(content: bytes, columns: list[str] | None) -> pa.Table:
    """A part's columns, read in the caller's thread.

    Arrow's own threads would let go of Python's buffers while the interpreter ends, which aborts a process whose work
    is done (apache/arrow#34314).
    """
    return pq.ParquetFile(pa.BufferReader(content), pre_buffer=False).read(columns=columns, use_threads=False)


def read_manifest(directory: Path) -> dict[str, Any]:
    """The manifest of a store; raises `StoreError`."""
    file = directory / MANIFEST
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        message = f"{directory}: is no store of a batch ({file.name}: {error.strerror or error}). `ih batch` makes one."
        raise StoreError(message) from error
    except ValueError as error:
        message = f"{file}: is not JSON ({error}), so this is no store of a batch, or a damaged one. Restore the file."
        raise StoreError(message) from error
    schema = found.get("schema") if isinstance(found, dict) else None
    if schema != STORE_SCHEMA:
        message = f"{file}: schema {schema!r} is not {STORE_SCHEMA!r}, the one this version of ih reads."
        if isinstance(schema, str) and schema.startswith("ihcli.store/"):
            message += " It was written by another version: upgrade ih."
        else:
            message += " It is no store of a batch; choose another folder."
        raise StoreError(message)
    return found  # type: ignore[no-any-return]


def manifest_bytes(manifest: Mapping[str, Any]) -> bytes:
    """A manifest as it is written; the bytes of a path that are no UTF-8 become escapes."""
    return (json.dumps(manifest, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")


class Reader:
    """A store that is read, in the order in which its rows were finished; memory holds its keys and one part."""

    def __init__(self, directory: Path) -> None:
        """Check every part; raises `StoreError` where one is damaged."""
        self.directory = directory
        self.manifest = read_manifest(directory)
        self.index = read_index(directory)
        if self.index.damaged:
            names = ", ".join(part.path.name for part in self.index.damaged)
            message = f"{directory}: damaged: {names}. Give the same `ih batch` again, which redoes these rows."
            raise StoreError(message)

    def tables(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """One table a part, with the rows that count; `columns` beside the key, all by default."""
        wanted = None if columns is None else list(dict.fromkeys(["key", *columns]))
        for part in parts_of(self.directory):
            content = part.content()
            if content is None:
                message = f"{part.path}: was damaged while it was read. Give the same `ih batch` again."
                raise StoreError(message)
            table = _table(content, wanted)
            keep = [self.index.counts_for(key, part.number) for key in table["key"].to_pylist()]
            yield table if all(keep) else table.filter(pa.array(keep))

    def records(self, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
        """The rows that count; of rows from several inputs that bear one name, the later ones get their key to it."""
        seen: set[int] = set()
        for table in self.tables(columns):
            for record in table.to_pylist():
                if "name" in record:
                    known = hash(record["name"])
                    if known in seen:
                        record["name"] += f"-{record['key'][:8]}"
                    seen.add(known)
                yield record


class Store:
    """A store that is written, by one process at a time; a context manager that holds its lock."""

    def __init__(self, directory: Path, identity: Identity, about: Mapping[str, Any]) -> None:
        """Make the store or go on with it; `about` is what a new manifest says beyond the settings.

        Raises `StoreError` where another process writes it or its settings differ, `OutputError` where something
        else stands there.
        """
        self.directory = directory
        _make_folder(directory)
        self._lock = _locked(directory)
        try:
            self.manifest = self._manifest(identity, about)
            self.index = self._cleaned()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        """The store."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let the lock go."""
        self.close()

    def close(self) -> None:
        """Let the lock go."""
        _let_go(self.directory, self._lock)

    def write(self, records: Sequence[Mapping[str, Any]]) -> Part:
        """Append one part, on the disk when this returns; raises `OutputError`."""
        stream = io.BytesIO()
        pq.write_table(to_table(records), stream, compression="zstd")
        content = stream.getvalue()
        part = Part.new(self.directory / PARTS, self._next, content)
        write_durably(part.path, content)
        self._next += 1
        for record in records:
            self.index.add(record["key"], record["status"], part.number)
        return part

    def note_input(self, described: Mapping[str, Any]) -> None:
        """Add an input to the manifest, or what is now known of it."""
        inputs = [known for known in self.manifest["inputs"] if known["source"] != described["source"]]
        self.manifest["inputs"] = [*inputs, dict(described)]
        self._save()

    def _manifest(self, identity: Identity, about: Mapping[str, Any]) -> dict[str, Any]:
        if (self.directory / MANIFEST).exists():
            found = read_manifest(self.directory)
            _require_same(self.directory, Identity(found["settings"]), identity, found, about)
            return found
        self.manifest = {
            "schema": STORE_SCHEMA,
            "identity": identity.digest,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "settings": dict(identity.settings),
            "inputs": [],
            **about,
        }
        (self.directory / PARTS).mkdir(exist_ok=True)
        sync_folder(self.directory)
        self._save()
        return self.manifest

    def _save(self) -> None:
        write_durably(self.directory / MANIFEST, manifest_bytes(self.manifest))

    def _cleaned(self) -> Index:
        """The index, after what a killed process left has been removed and what is damaged set aside."""
        folder = self.directory / PARTS
        folder.mkdir(exist_ok=True)
        for left in (*folder.glob(f"{BESIDE}*"), *self.directory.glob(f"{BESIDE}*")):
            left.unlink()
        index = read_index(self.directory)
        for part in index.damaged:
            part.path.replace(part.path.with_suffix(".damaged"))
        numbers = [part.number for part in parts_of(self.directory)] + [part.number for part in index.damaged]
        self._next = max(numbers, default=0) + 1
        return index


def _make_folder(directory: Path) -> None:
    """The folder, new or empty or a store; raises `OutputError` where something else stands there."""
    if directory.exists() and not directory.is_dir():
        message = f"{directory} is a file and no store of a batch; it is left as it is. Choose another folder with -o."
        raise OutputError(message)
    ours = {LOCK, HOLDER, PARTS, f"{BESIDE}{MANIFEST}"}
    if directory.is_dir() and not (directory / MANIFEST).exists():
        others = [path.name for path in directory.iterdir() if path.name not in ours]
        others += [f"{PARTS}/{path.name}" for path in (directory / PARTS).glob("*")]
        if others:
            message = (
                f"{directory} holds {min(others)!r} and is no store of a batch; it is left as it is. Choose "
                "another folder with -o."
            )
            raise OutputError(message)
    if (directory / MANIFEST).exists():
        try:
            read_manifest(directory)
        except StoreError as error:
            raise OutputError(str(error)) from error
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"{directory}: cannot be made ({error.strerror or error}). Choose another folder with -o."
        raise OutputError(message) from error


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the lock of a store; raises `StoreError` where another process holds it, `OutputError` without one."""
    lock = _locked(directory)
    try:
        yield
    finally:
        _let_go(directory, lock)


def _locked(directory: Path) -> filelock.BaseFileLock:
    """The lock, which the system takes from a process that dies; raises `StoreError` where another holds it."""
    lock = filelock.FileLock(directory / LOCK, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        holder = "another process"
        with suppress(OSError, ValueError, KeyError):
            known = json.loads((directory / HOLDER).read_text(encoding="utf-8"))
            holder = f"process {known['pid']} on {known['host']} (since {known['since']})"
        message = f"{directory}: {holder} is writing this store. Wait for it, or choose another folder with -o."
        raise StoreError(message) from error
    except OSError as error:
        message = f"{directory}: cannot be locked ({error.strerror or error}). Choose another folder with -o."
        raise OutputError(message) from error
    holder_now = {
        "pid": os.getpid(),
        "host": platform.node(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    with suppress(OSError):  # it only makes the message better
        (directory / HOLDER).write_text(json.dumps(holder_now), encoding="utf-8")
    return lock


def _let_go(directory: Path, lock: filelock.BaseFileLock) -> None:
    (directory / HOLDER).unlink(missing_ok=True)
    lock.release()


def _require_same(
    directory: Path, there: Identity, wanted: Identity, found: Mapping[str, Any], about: Mapping[str, Any]
) -> None:
    """Refuse other settings than the store's; raises `StoreError`."""
    differences = there.differences(wanted)
    if found.get("shard") != about.get("shard"):
        differences.append(("--shard", found.get("shard"), about.get("shard")))
    if differences:
        listed = "; ".join(f"{key} is {old!r} there and {new!r} now" for key, old, new in differences)
        message = (
            f"{directory}: was made with other settings: {listed}. Give the store's settings, or choose another folder "
            "with -o."
        )
        raise StoreError(message)
