"""The store of a run, which is written by one process at a time: a manifest and parts that are only added.

A part is written under another name, synchronised and renamed.  So after a crash each part is complete, or it is
recognised as damaged and its rows are explained again.
"""

import io
import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import filelock
import pyarrow.parquet as pq

from ihcli.corpus.durable import read_regular_file, sync_folder, write_durably
from ihcli.corpus.records import to_table
from ihcli.corpus.run_identity import RunIdentity
from ihcli.corpus.store_manifest import MANIFEST, STORE_SCHEMA, manifest_bytes, read_manifest, seal_of
from ihcli.corpus.store_parts import PARTS, Part, PartsSeal, StoreIndex, list_parts
from ihcli.errors import OutputError, StoreError
from ihcli.file_writing import TEMPORARY, require_folder_possible, write_atomically

LOCK, HOLDER = ".lock", ".holder"


class Store:
    """A store that is written, by the process that holds its lock."""

    @classmethod
    @contextmanager
    def opened(cls, directory: Path, identity: RunIdentity, about: Mapping[str, Any]) -> Iterator["Store"]:
        """Create the store or continue it; `about` holds further fields of a new manifest.

        Raises `StoreError` where another process writes it or its settings differ, `OutputError` where the folder is
        something else.
        """
        require_store_possible(directory)
        with suppress(FileExistsError):
            directory.mkdir(parents=True)
        with locked(directory):
            yield cls(directory, identity, about)

    def __init__(self, directory: Path, identity: RunIdentity, about: Mapping[str, Any]) -> None:
        """Read the manifest or write a new one, and repair what a crash left."""
        self.directory = directory
        self.notes: list[str] = []
        """What was found wrong with the store and repaired."""
        self._seal = PartsSeal()
        self.manifest = self._manifest(identity, about)
        self._clean_up()

    def write(self, records: Sequence[Mapping[str, Any]]) -> Part:
        """Append one part, which is on the disk when this returns; raises `OutputError`."""
        stream = io.BytesIO()
        pq.write_table(to_table(records), stream, compression="zstd")
        content = stream.getvalue()
        part = Part.new(self.directory / PARTS, self._next, content)
        write_durably(part.path, content)
        self._next += 1
        for record in records:
            self.index.add(record["key"], record["status"], part.number)
        self._seal = self._seal.add(part)
        self._save()
        return part

    def add_input(self, described: Mapping[str, Any]) -> None:
        """Add an input to the manifest, or replace what is recorded of it."""
        inputs = [known for known in self.manifest["inputs"] if known["source"] != described["source"]]
        self.manifest["inputs"] = [*inputs, dict(described)]
        self._save()

    def _manifest(self, identity: RunIdentity, about: Mapping[str, Any]) -> dict[str, Any]:
        if (self.directory / MANIFEST).exists():
            manifest = read_manifest(self.directory)
            _require_same(self.directory, identity, manifest, about)
            return manifest
        manifest = {
            "schema": STORE_SCHEMA,
            "identity": identity.digest,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "settings": dict(identity.settings),
            "inputs": [],
            "parts": asdict(PartsSeal()),
            **about,
        }
        (self.directory / PARTS).mkdir(exist_ok=True)
        sync_folder(self.directory)
        write_durably(self.directory / MANIFEST, manifest_bytes(manifest, PartsSeal()))
        return manifest

    def _save(self) -> None:
        write_durably(self.directory / MANIFEST, manifest_bytes(self.manifest, self._seal))

    def _clean_up(self) -> None:
        """Remove what a killed process left, set damaged parts aside, and read the index."""
        folder = self.directory / PARTS
        folder.mkdir(exist_ok=True)
        for left in (*folder.glob(f"{TEMPORARY}*"), *self.directory.glob(f"{TEMPORARY}*")):
            with suppress(OSError):  # no file of ours
                left.unlink()
        parts = list_parts(self.directory)
        recorded = seal_of(self.manifest)
        broken = recorded.broken(parts)
        if broken is not None:
            self.notes.append(f"{self.directory}: {broken}; their rows are explained again.")
        self.index = StoreIndex.read(parts)
        for part in self.index.damaged:
            part.path.replace(part.path.with_suffix(".damaged"))
            self.notes.append(
                f"{part.path} was damaged and is renamed to end in .damaged; its rows are explained again."
            )
        self._next = max((part.number for part in parts), default=0) + 1
        self._seal = PartsSeal.of(part for part in parts if part not in self.index.damaged)
        if self._seal != recorded:
            self._save()


def require_store_possible(directory: Path) -> None:
    """Raise `OutputError` unless the folder is a store, is empty or can be created."""
    try:
        if (directory / MANIFEST).exists():
            read_manifest(directory)
        elif directory.exists() and not directory.is_dir():
            message = f"{directory} is a file and not the store of a batch. Choose another folder with -o."
            raise OutputError(message)
        elif directory.is_dir():
            own = {LOCK, HOLDER, PARTS}
            names = [path.name for path in directory.iterdir() if not path.name.startswith(TEMPORARY)]
            others = [name for name in names if name not in own]
            others += [f"{PARTS}/{path.name}" for path in (directory / PARTS).glob("*")]
            if others:
                message = (
                    f"{directory} holds {min(others)!r} and is not the store of a batch; nothing is written into it. "
                    "Choose another folder with -o."
                )
                raise OutputError(message)
    except StoreError as error:
        raise OutputError(str(error)) from error
    except OSError as error:
        message = f"{directory}: cannot be read ({error.strerror or error}). Choose another folder with -o."
        raise OutputError(message) from error
    require_folder_possible(directory)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the lock of a store, which the system releases when the process ends.

    Raises `StoreError` where another process holds it, `OutputError` where the folder cannot be written.
    """
    lock = filelock.FileLock(directory / LOCK, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        holder = "another process"
        with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
            known = json.loads(read_regular_file(directory / HOLDER))
            holder = f"process {known['pid']} on {known['host']} (since {known['since']})"
        message = f"{directory}: {holder} is writing this store. Wait for it, or choose another folder with -o."
        raise StoreError(message) from error
    except OSError as error:
        message = f"{directory}: cannot be locked ({error.strerror or error}). Choose another folder with -o."
        raise OutputError(message) from error
    since = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        with suppress(OutputError):  # only for the message above
            holder = json.dumps({"pid": os.getpid(), "host": platform.node(), "since": since})
            write_atomically(directory / HOLDER, holder.encode("utf-8"), follow_links=False)
        yield
    finally:
        with suppress(OSError):
            (directory / HOLDER).unlink()
        lock.release()


def _require_same(directory: Path, wanted: RunIdentity, manifest: Mapping[str, Any], about: Mapping[str, Any]) -> None:
    """Raise `StoreError` where the settings are not those of the store."""
    differences = RunIdentity(manifest["settings"]).differences(wanted)
    if manifest.get("shard") != about.get("shard"):
        differences.append(("--shard", manifest.get("shard"), about.get("shard")))
    if differences:
        listed = "; ".join(f"{key} is {old!r} in the store and {new!r} now" for key, old, new in differences)
        message = (
            f"{directory}: was made with other settings: {listed}. Use the store's settings, or choose another folder "
            "with -o."
        )
        raise StoreError(message)
