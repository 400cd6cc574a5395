"""Exact sums of rows by key in bounded memory: what does not fit is written to disk as sorted runs and merged."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]
Values = NDArray[np.float64]
MOST_KEYS = 1 << 20
"""Keys in memory; twice as many while they are merged."""
MOST_RUNS = 32
"""Runs on disk, each with two open files, before they are merged into one."""


class KeyedSums:
    """Sums of rows of values that have the same key, with about `most_keys` keys in memory."""

    def __init__(self, columns: int, folder: Path, most_keys: int = MOST_KEYS) -> None:
        """Sum `columns` values a row; runs are written to `folder`, which the caller removes."""
        self._columns, self._folder, self._most_keys = columns, folder, most_keys
        self._blocks: list[tuple[Keys, Values]] = []
        self._count = 0
        self._runs: list[_Run] = []
        self._written = 0

    def add(self, keys: Keys, values: Values) -> None:
        """Add rows (n, columns) under their keys (n,)."""
        self._blocks.append((keys, values))
        self._count += len(keys)
        if self._count > self._most_keys:
            merged = _sum_blocks(self._blocks)
            if len(merged[0]) > self._most_keys // 2:
                self._spill(merged)
                self._blocks, self._count = [], 0
            else:
                self._blocks, self._count = [merged], len(merged[0])

    def results(self) -> Iterator[tuple[Keys, Values]]:
        """Blocks of ascending keys with their sums; each key occurs once."""
        last = _sum_blocks(self._blocks) if self._blocks else (np.empty(0, np.uint64), np.empty((0, self._columns)))
        yield from self._merged([*((run.keys, run.values) for run in self._runs), last])

    def _merged(self, runs: list[tuple[Keys, Values]]) -> Iterator[tuple[Keys, Values]]:
        for low, high in itertools.pairwise(self._bounds(runs)):
            slices = ((keys, values, *_positions(keys, low, high)) for keys, values in runs)
            blocks = [(keys[start:end], values[start:end]) for keys, values, start, end in slices if end > start]
            if blocks:
                yield _sum_blocks(blocks)

    def _spill(self, merged: tuple[Keys, Values]) -> None:
        """Write a run to disk; many runs are merged into one."""
        self._runs.append(self._write_run([merged]))
        if len(self._runs) >= MOST_RUNS:
            old = self._runs
            self._runs = [self._write_run(self._merged([(run.keys, run.values) for run in old]))]
            for run in old:
                run.remove()

    def _write_run(self, blocks: Iterable[tuple[Keys, Values]]) -> "_Run":
        self._written += 1
        return _Run.write(self._folder / f"{id(self):x}-{self._written}", blocks, self._columns)

    def _bounds(self, runs: list[tuple[Keys, Values]]) -> list[int]:
        """Keys that divide all rows into blocks of about half of `most_keys`."""
        total = sum(len(keys) for keys, _ in runs)
        step = max(1, self._most_keys // 64)
        sample = np.sort(np.concatenate([keys[::step] for keys, _ in runs]))
        blocks = max(1, 2 * total // self._most_keys)
        inner = sample[np.linspace(0, len(sample) - 1, blocks + 1).astype(int)[1:-1]] if len(sample) else sample
        return [0, *sorted({int(key) for key in inner} - {0}), 1 << 64]


@dataclass(slots=True)
class _Run:
    """Ascending keys and their values in memory-mapped files."""

    stem: Path
    keys: Keys
    values: Values

    @classmethod
    def write(cls, stem: Path, blocks: Iterable[tuple[Keys, Values]], columns: int) -> Self:
        rows = 0
        with stem.with_suffix(".keys").open("wb") as key_file, stem.with_suffix(".values").open("wb") as value_file:
            for keys, values in blocks:
                key_file.write(np.ascontiguousarray(keys, np.uint64).data)
                value_file.write(np.ascontiguousarray(values, np.float64).data)
                rows += len(keys)
        return cls(
            stem,
            np.memmap(stem.with_suffix(".keys"), np.uint64, "r", shape=(rows,)),
            np.memmap(stem.with_suffix(".values"), np.float64, "r", shape=(rows, columns)),
        )

    def remove(self) -> None:
        """Remove the files; mappings that are still open keep their content."""
        for suffix in (".keys", ".values"):
            self.stem.with_suffix(suffix).unlink()


def _positions(keys: Keys, low: int, high: int) -> tuple[int, int]:
    """Start and end of the ascending keys in [low, high)."""
    start = int(np.searchsorted(keys, np.uint64(low), side="left"))
    end = len(keys) if high >= 1 << 64 else int(np.searchsorted(keys, np.uint64(high), side="left"))
    return start, end


def _sum_blocks(blocks: list[tuple[Keys, Values]]) -> tuple[Keys, Values]:
    """The keys of all blocks, ascending, with the sums of the rows that have the same key."""
    keys = np.concatenate([keys for keys, _ in blocks])
    values = np.concatenate([values for _, values in blocks])
    if not len(keys):
        return keys, values
    order = np.argsort(keys, kind="stable")
    keys, values = keys[order], values[order]
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    return keys[starts], np.add.reduceat(values, starts, axis=0)
