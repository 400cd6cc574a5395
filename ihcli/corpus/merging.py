"""Several stores with the same settings as one: the shards that a scheduler ran side by side."""

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ihcli.corpus.durable import new_folder_beside, sync_folder, write_durably
from ihcli.corpus.records import ERROR
from ihcli.corpus.run_identity import RunIdentity
from ihcli.corpus.store import locked
from ihcli.corpus.store_manifest import MANIFEST, manifest_bytes
from ihcli.corpus.store_parts import PARTS, Part, PartsSeal
from ihcli.corpus.store_reading import ReadOnlyStore
from ihcli.counting import counted
from ihcli.errors import OutputError, StoreError, UsageError
from ihcli.file_writing import require_folder_possible


@dataclass(frozen=True, slots=True)
class MergeSummary:
    """The size of a merged store."""

    rows: int
    failed: int
    missing: tuple[tuple[int, int], ...]
    """The shards (i, n) that were not among the stores."""


def merge(directories: Sequence[Path], out: Path) -> MergeSummary:
    """Copy stores into a new one, which `ih batch` without --shard can continue; the stores are not changed.

    Raises `StoreError` where settings differ, two stores have the same row, or a store is damaged or being written,
    `OutputError` where `out` exists, `UsageError` for a store that is given twice.
    """
    _require_new(out)
    for position, directory in enumerate(directories):
        if directory.resolve() in [other.resolve() for other in directories[:position]]:
            message = f"{directory} was given twice. Give each store once."
            raise UsageError(message)
    with ExitStack() as locks:
        for directory in directories:
            locks.enter_context(_locked_if_possible(directory))
        stores = [ReadOnlyStore(directory) for directory in directories]
        for store in stores[1:]:
            _require_same_settings(stores[0], store)
        _require_disjoint(stores)
        _write(stores, out)
    counts = sum((store.index.counts for store in stores), start=Counter[str]())
    return MergeSummary(counts.total(), counts[ERROR], _missing_shards(_shards(stores)))


@contextmanager
def _locked_if_possible(directory: Path) -> Iterator[None]:
    """Lock the store; one that cannot be locked cannot be written by others either."""
    with ExitStack() as stack:
        if (directory / MANIFEST).exists():
            with suppress(OutputError):
                stack.enter_context(locked(directory))
        yield


def _require_new(out: Path) -> None:
    if out.is_symlink() or (out.exists() and not (out.is_dir() and not any(out.iterdir()))):
        message = f"{out} exists already; a merge makes a new store. Choose another folder with -o."
        raise OutputError(message)
    require_folder_possible(out)


def _require_same_settings(first: ReadOnlyStore, other: ReadOnlyStore) -> None:
    differences = RunIdentity(first.manifest["settings"]).differences(RunIdentity(other.manifest["settings"]))
    if differences:
        listed = "; ".join(f"{key} is {own!r} and {theirs!r}" for key, own, theirs in differences)
        message = f"{first.directory} and {other.directory} were made with different settings: {listed}."
        raise StoreError(message)


def _require_disjoint(stores: Sequence[ReadOnlyStore]) -> None:
    for position, store in enumerate(stores):
        for earlier in stores[:position]:
            both = store.index.entries.keys() & earlier.index.entries.keys()
            if both:
                key = min(both).hex()
                keyed = next(outcome.keyed for outcome in store.outcomes() if outcome.keyed.key == key)
                rows = counted(len(both), "row is", "rows are")
                message = (
                    f"{rows} in both {earlier.directory} and {store.directory}, for example row {keyed.row.number} "
                    f"({keyed.name}). Shards must not overlap: give each --shard I/N once."
                )
                raise StoreError(message)


def _write(stores: Sequence[ReadOnlyStore], out: Path) -> None:
    """Write the store into a new folder and rename it, so that a merge that is killed leaves no incomplete store."""
    try:
        folder = new_folder_beside(out)
        try:
            (folder / PARTS).mkdir()
            seal = PartsSeal()
            for part in (part for store in stores for part in store.parts):
                content = part.content()
                copy = Part.new(folder / PARTS, seal.count + 1, content)
                write_durably(copy.path, content)
                seal = seal.add(copy)
            write_durably(folder / MANIFEST, manifest_bytes(_manifest(stores), seal))
            folder.replace(out)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        sync_folder(out.parent)
    except OSError as error:
        message = f"{out}: cannot be written ({error.strerror or error}). Choose another folder with -o."
        raise OutputError(message) from error


def _manifest(stores: Sequence[ReadOnlyStore]) -> dict[str, Any]:
    inputs = {(one["source"], one["sha256"]): one for store in stores for one in store.manifest["inputs"]}
    return {**stores[0].manifest, "inputs": list(inputs.values()), "shard": None, "merged": _shards(stores)}


def _shards(stores: Sequence[ReadOnlyStore]) -> list[Sequence[int] | None]:
    """The shard of each store; of a merged store the shards that it was made of."""
    return [shard for store in stores for shard in store.manifest.get("merged") or [store.manifest.get("shard")]]


def _missing_shards(shards: Sequence[Sequence[int] | None]) -> tuple[tuple[int, int], ...]:
    known = {(shard[0], shard[1]) for shard in shards if shard is not None}
    counts = {count for _, count in known}
    return tuple(sorted((i, n) for n in counts for i in range(1, n + 1) if (i, n) not in known))
