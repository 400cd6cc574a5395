"""A store that is read, while its parts stay as they are."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from ihcli.corpus.records import RowOutcome, to_outcome
from ihcli.corpus.store_manifest import read_manifest, seal_of
from ihcli.corpus.store_parts import StoreIndex, list_parts
from ihcli.errors import StoreError


class ReadOnlyStore:
    """The rows of a store in the order in which they were finished; memory holds the keys and one part."""

    def __init__(self, directory: Path) -> None:
        """Check every part; raises `StoreError` where one is damaged or missing."""
        self.directory = directory
        self.manifest = read_manifest(directory)  # before the parts: a run that goes on only adds parts
        self.parts = list_parts(directory)
        self.index = StoreIndex.read(self.parts)
        for error in self.index.damaged.values():
            raise error
        broken = seal_of(self.manifest).broken(self.parts)
        if broken is not None:
            message = (
                f"{directory}: {broken}. Restore them, or run the same `ih batch` command to explain their rows again."
            )
            raise StoreError(message)

    def outcomes(self) -> Iterator[RowOutcome]:
        """The rows that count, each with a name of its own.

        Rows of several inputs may have the same name; the later ones get digits of their key.  Raises `StoreError`.
        """
        names: set[int] = set()
        for part in self.parts:
            table = part.read()
            current = [self.index.is_current(key, part.number) for key in table["key"].to_pylist()]
            for record in table.filter(pa.array(current, pa.bool_())).to_pylist():
                if hash(record["name"]) in names:
                    record["name"] += f"-{record['key'][:8]}"
                names.add(hash(record["name"]))
                yield to_outcome(record, str(part.path))
