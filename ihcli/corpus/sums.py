"""Sums by key, exact, in bounded memory: sorted runs, merged where they fit and spilled to disk where they do not."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]
Values = NDArray[np.float64]
LIMIT = 1 << 20
"""Keys that memory holds; twice as many while they are merged."""
RUNS = 32
"""Runs on disk that are merged into one: each holds two files open."""


class Sums:
    """Adds up rows of values that bear one key; whatever the number of keys, memory holds about `limit` of them."""

    def __init__(self, columns: int, folder: Path, limit: int = LIMIT) -> None:
        """`columns` values a row; runs that do not fit go to `folder`, which its owner removes."""
        self._columns, self._folder, self._limit = columns, folder, limit
        self._held: list[tuple[Keys, Values]] = []
        self._count = 0
        self._runs: list[_Run] = []
        self._written = 0

    def add(self, keys: Keys, values: Values) -> Self:
        """Add rows (n, columns) under their keys (n,)."""
        self._held.append((keys, values))
        self._count += len(keys)
        if self._count > self._limit:
            merged = _summed(self._held)
            if len(merged[0]) > self._limit // 2:
                self._spill(merged)
                self._held, self._count = [], 0
            else:
                self._held, self._count = [merged], len(merged[0])
        return self

    def results(self) -> Iterator[tuple[Keys, Values]]:
        """Every key once with its sums, ascending, in blocks."""
        last = _summed(self._held) if self._held else (np.empty(0, np.uint64), np.empty((0, self._columns)))
        yield from self._merged([*((run.keys, run.values) for run in self._runs), last])

    def _merged(self, runs: list[tuple[Keys, Values]]) -> Iterator[tuple[Keys, Values]]:
        for low, high in itertools.pairwise(self._bounds(runs)):
            inside = [
                (keys[a:b], values[a:b]) for keys, values in runs for a, b in [_between(keys, low, high)] if b > a
            ]
            if inside:
                yield _summed(inside)

    def _spill(self, merged: tuple[Keys, Values]) -> None:
        """To disk; many runs there become one."""
        self._runs.append(self._run([merged]))
        if len(self._runs) >= RUNS:
            old = self._runs
            self._runs = [self._run(self._merged([(run.keys, run.values) for run in old]))]
            for run in old:
                run.remove()

    def _run(self, blocks: Iterable[tuple[Keys, Values]]) -> "_Run":
        self._written += 1
        return _Run.write(self._folder / f"{id(self):x}-{self._written}", blocks, self._columns)

    def _bounds(self, runs: list[tuple[Keys, Values]]) -> list[int]:
        """Keys that part all rows into blocks of about half the limit."""
        total = sum(len(keys) for keys, _ in runs)
        step = max(1, self._limit // 64)
        sample = np.sort(np.concatenate([keys[::step] for keys, _ in runs]))
        blocks = max(1, 2 * total // self._limit)
        inner = sample[np.linspace(0, len(sample) - 1, blocks + 1).astype(int)[1:-1]] if len(sample) else sample
        return [0, *sorted({int(key) for key in inner} - {0}), 1 << 64]


@dataclass(slots=True)
class _Run:
    """Ascending keys and their values on disk, mapped, so that the system may forget what nobody reads."""

    stem: Path
    keys: Keys
    values: Values

    @classmethod
    def write(cls, stem: Path, blocks: Iterable[tuple[Keys, Values]], columns: int) -> Self:
        """Write blocks one after the other."""
        rows = 0
        with stem.with_suffix(".keys").open("wb") as keys, stem.with_suffix(".values").open("wb") as values:
            for own, sums in blocks:
                keys.write(np.ascontiguousarray(own, np.uint64).data)
                values.write(np.ascontiguousarray(sums, np.float64).data)
                rows += len(own)
        return cls(
            stem,
            np.memmap(stem.with_suffix(".keys"), np.uint64, "r", shape=(rows,)),
            np.memmap(stem.with_suffix(".values"), np.float64, "r", shape=(rows, columns)),
        )

    def remove(self) -> None:
        """Remove its files; what still maps them keeps their content."""
        for suffix in (".keys", ".values"):
            self.stem.with_suffix(suffix).unlink()


def _between(keys: Keys, low: int, high: int) -> tuple[int, int]:
    """Where the keys in [low, high) stand."""
    start = int(np.searchsorted(keys, np.uint64(low), side="left"))
    end = len(keys) if high >= 1 << 64 else int(np.searchsorted(keys, np.uint64(high), side="left"))
    return start, end


def _summed(parts: list[tuple[Keys, Values]]) -> tuple[Keys, Values]:
    """The sums of equal keys, ascending."""
    keys = np.concatenate([keys for keys, _ in parts])
    values = np.concatenate([values for _, values in parts])
    if not len(keys):
        return keys, values
    order = np.argsort(keys, kind="stable")
    keys, values = keys[order], values[order]
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    return keys[starts], np.add.reduceat(values, starts, axis=0)
