"""Exact sums of rows by key in bounded memory: what does not fit is written to disk as sorted runs and merged."""

import itertools
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]
Values = NDArray[np.float64]
MOST_KEYS = 1 << 20
"""Keys in memory; twice as many while they are merged."""
MOST_RUNS = 32
"""Runs on disk, each an open file, before they are merged into one."""
_END = 1 << 64
"""Above every key."""


class KeyedSums:
    """Sums of rows of values that have the same key, with about `most_keys` keys in memory."""

    def __init__(self, columns: int, folder: Path, most_keys: int = MOST_KEYS) -> None:
        """Sum `columns` values a row; runs are written to `folder`, which the caller removes."""
        self._type = np.dtype([("key", np.uint64), ("sums", np.float64, (columns,))])
        self._folder, self._most_keys = folder, most_keys
        self._blocks: list[NDArray[Any]] = []
        self._runs: list[NDArray[Any]] = []
        self._written = 0

    def add(self, keys: Keys, values: Values) -> None:
        """Add rows (n, columns) under their keys (n,)."""
        block = np.empty(len(keys), self._type)
        block["key"], block["sums"] = keys, values
        self._blocks.append(block)
        if sum(map(len, self._blocks)) > self._most_keys:
            self._blocks = [_sum_blocks(self._blocks)]
            if len(self._blocks[0]) > self._most_keys // 2:
                self._runs.append(self._write_run(self._blocks))
                self._blocks = []
        if len(self._runs) >= MOST_RUNS:
            runs, self._runs = self._runs, [self._write_run(self._merge(self._runs))]
            for run in runs:
                Path(run.filename).unlink()  # type: ignore[attr-defined]

    def results(self) -> Iterator[tuple[Keys, Values]]:
        """Blocks of ascending keys with their sums; each key occurs once."""
        last = _sum_blocks(self._blocks) if self._blocks else np.empty(0, self._type)
        for block in self._merge([*self._runs, last]):
            yield np.ascontiguousarray(block["key"]), np.ascontiguousarray(block["sums"])

    def _merge(self, runs: list[NDArray[Any]]) -> Iterator[NDArray[Any]]:
        for low, high in itertools.pairwise(self._bounds(runs)):
            slices = (run[bisect_left(run["key"], low) : bisect_left(run["key"], high)] for run in runs)
            blocks = [block for block in slices if len(block)]
            if blocks:
                yield _sum_blocks(blocks)

    def _write_run(self, blocks: Iterable[NDArray[Any]]) -> NDArray[Any]:
        """Write blocks one after the other to a file, and map it into memory."""
        self._written += 1
        file = self._folder / f"{id(self):x}-{self._written}"
        with file.open("wb") as stream:
            for block in blocks:
                stream.write(block.data)
        return np.memmap(file, self._type, "r")

    def _bounds(self, runs: list[NDArray[Any]]) -> list[int]:
        """Keys that divide all rows into blocks of about half of `most_keys`."""
        blocks = max(1, 2 * sum(map(len, runs)) // self._most_keys)
        sample = np.sort(np.concatenate([run["key"][:: max(1, self._most_keys // 64)] for run in runs]))
        inner = sample[np.linspace(0, len(sample) - 1, blocks + 1).astype(int)[1:-1]] if len(sample) else sample
        return [0, *sorted({int(key) for key in inner} - {0}), _END]


def _sum_blocks(blocks: list[NDArray[Any]]) -> NDArray[Any]:
    """The keys of all blocks, ascending, with the sums of the rows that have the same key."""
    rows = np.concatenate(blocks)
    if not len(rows):
        return rows
    rows = rows[np.argsort(rows["key"], kind="stable")]
    starts = np.flatnonzero(np.concatenate([[True], rows["key"][1:] != rows["key"][:-1]]))
    summed = rows[starts]
    summed["sums"] = np.add.reduceat(rows["sums"], starts, axis=0)
    return summed
