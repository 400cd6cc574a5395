"""Several stores of one configuration as one: shards that a scheduler ran side by side."""

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ihcli.corpus.durable import sync_folder, write_durably
from ihcli.corpus.identity import Identity
from ihcli.corpus.records import ERROR
from ihcli.corpus.store import MANIFEST, PARTS, Reader, locked, manifest_bytes, parts_of
from ihcli.errors import OutputError, StoreError, UsageError


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge came to."""

    rows: int
    failed: int
    missing: tuple[tuple[int, int], ...]
    """The shards (i, n) that were not among the stores."""


def merge(stores: Sequence[Path], out: Path) -> Merged:
    """Join stores into a new one, which `ih batch` without a shard goes on with; the stores stay as they are.

    Raises `StoreError` where settings differ, a row is in two stores, or one is damaged or being written, `OutputError`
    where something stands at `out`, `UsageError` for a store given twice.
    """
    _require_new(out)
    for place, store in enumerate(stores):
        if store.resolve() in [other.resolve() for other in stores[:place]]:
            message = f"{store} was given twice. Give each store once."
            raise UsageError(message)
    with ExitStack() as stack:
        for store in stores:
            stack.enter_context(_still(store))
        readers = [Reader(store) for store in stores]
        for reader in readers[1:]:
            _require_same_settings(readers[0], reader)
        _require_apart(readers)
        _write(readers, out)
    counts = sum((reader.index.counts for reader in readers), start=Counter[str]())
    return Merged(counts.total(), counts[ERROR], _missing(_shards(readers)))


@contextmanager
def _still(store: Path) -> Iterator[None]:
    """Keep others from writing the store; one that cannot be locked cannot be written either."""
    with ExitStack() as stack:
        if (store / MANIFEST).exists():
            with suppress(OutputError):
                stack.enter_context(locked(store))
        yield


def _require_new(out: Path) -> None:
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        message = f"{out} is there already; a merge makes a new store. Choose another folder with -o."
        raise OutputError(message)


def _require_same_settings(first: Reader, other: Reader) -> None:
    differences = Identity(first.manifest["settings"]).differences(Identity(other.manifest["settings"]))
    if differences:
        listed = "; ".join(f"{key} is {own!r} and {theirs!r}" for key, own, theirs in differences)
        message = f"{first.directory} and {other.directory} were made with different settings: {listed}."
        raise StoreError(message)


def _require_apart(readers: Sequence[Reader]) -> None:
    for place, reader in enumerate(readers):
        for earlier in readers[:place]:
            both = reader.index.entries.keys() & earlier.index.entries.keys()
            if both:
                key = min(both).hex()
                where = next(r for r in reader.records(["row", "name"]) if r["key"] == key)
                message = (
                    f"{len(both)} rows are in both {earlier.directory} and {reader.directory}, for example row "
                    f"{where['row']} ({where['name']}). Shards must not overlap: give each --shard I/N once."
                )
                raise StoreError(message)


def _write(readers: Sequence[Reader], out: Path) -> None:
    """Build the store beside its place, and rename it: a merge that is killed leaves no store."""
    beside = out.with_name(f".{out.name}.merging")
    try:
        shutil.rmtree(beside, ignore_errors=True)
        (beside / PARTS).mkdir(parents=True)
        number = 0
        for reader in readers:
            for part in parts_of(reader.directory):
                content = part.content()
                if content is None:
                    message = f"{part.path}: was damaged while it was read. Give the same `ih batch` again."
                    raise StoreError(message)
                number += 1
                write_durably(beside / PARTS / part.named(number), content)
        write_durably(beside / MANIFEST, manifest_bytes(_manifest(readers)))
        beside.replace(out)
        sync_folder(out.parent)
    except OSError as error:
        message = f"{out}: cannot be written ({error.strerror or error}). Choose another folder with -o."
        raise OutputError(message) from error


def _manifest(readers: Sequence[Reader]) -> dict[str, Any]:
    inputs: dict[tuple[str, str | None], Any] = {}
    for reader in readers:
        inputs |= {(one["source"], one["sha256"]): one for one in reader.manifest["inputs"]}
    return {**readers[0].manifest, "inputs": list(inputs.values()), "shard": None, "merged": _shards(readers)}


def _shards(readers: Sequence[Reader]) -> list[Sequence[int] | None]:
    """The shards of the stores, of a merged one those that it was made of."""
    return [shard for r in readers for shard in r.manifest.get("merged", [r.manifest["shard"]])]


def _missing(shards: Sequence[Sequence[int] | None]) -> tuple[tuple[int, int], ...]:
    known = {(shard[0], shard[1]) for shard in shards if shard is not None}
    counts = {count for _, count in known}
    return tuple(sorted((i, n) for n in counts for i in range(1, n + 1) if (i, n) not in known))
