"""The strongest pairs of two results, compared by rank, where only differences beyond the certified errors count.

A pair's rank is by |Γ|. Two pairs p, q have *reversed* when |old_p| − |old_q| > τ and |new_q| − |new_p| > τ, with τ the
certified error of both results together. Results that differ by at most τ in every entry thus never show a reversal.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ihcli.removal.correlation import kendall
from ihcli.results import Array

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Ranking:
    """How two matrices of the same units compare by rank; pairs are (i, j) with i < j.

    Attributes:
        k: How many of the strongest pairs were compared.
        lost: Pairs among the k strongest before and, beyond error, no longer.
        missing: Pairs among them that the new result did not compute, though their old strength would be among its k.
        flipped: Pairs with one certain sign before and the other certain sign now.
        strongest_old: The strongest pair before, None without pairs.
        strongest_new: The strongest pair now, None without pairs.
        strongest_changed: Whether another pair leads now, beyond error.
        tau: Kendall's tau-b between the two orders, NaN where all are tied.
        reversals: Ordered pairs of pairs that reversed.
    """

    k: int
    lost: tuple[Pair, ...]
    missing: tuple[Pair, ...]
    flipped: tuple[Pair, ...]
    strongest_old: Pair | None
    strongest_new: Pair | None
    strongest_changed: bool
    tau: float
    reversals: int

    @property
    def overlap(self) -> float:
        """The share of the k strongest that stayed; 1 if there are none."""
        return 1.0 - (len(self.lost) + len(self.missing)) / self.k if self.k else 1.0


def compare_rankings(old: Array, new: Array, top_k: int, errors: tuple[float, float]) -> Ranking:
    """Compare the `top_k` strongest pairs of `old` and `new`; `errors` are the two results' certified errors."""
    return _Strengths(old, new, top_k, errors).ranking()


class _Strengths:
    """The entries of all pairs before (`a`) and now (`b`), their strongest, and what changed between them."""

    def __init__(self, old: Array, new: Array, top_k: int, errors: tuple[float, float]) -> None:
        rows, columns = np.triu_indices(len(old), k=1)
        self._pairs = list(zip(rows.tolist(), columns.tolist(), strict=True))
        self._a, self._b = old[rows, columns], new[rows, columns]
        self._best_a, self._best_b = _strongest(self._a, top_k), _strongest(self._b, top_k)
        self._errors = errors

    def ranking(self) -> Ranking:
        compared = [p for p in sorted({*self._best_a, *self._best_b}) if not np.isnan((self._a[p], self._b[p])).any()]
        magnitudes = np.abs(self._a[compared]), np.abs(self._b[compared])
        return Ranking(
            k=len(self._best_a),
            lost=self._of([p for p in self._best_a if self._is_lost(p)]),
            missing=self._of([p for p in self._best_a if self._is_missing(p)]),
            flipped=self._of([p for p in compared if self._is_flipped(p)]),
            strongest_old=self._pairs[self._best_a[0]] if self._best_a else None,
            strongest_new=self._pairs[self._best_b[0]] if self._best_b else None,
            strongest_changed=self._has_new_strongest(),
            tau=kendall(*magnitudes, sum(self._errors)),
            reversals=sum(self._is_overtaken(p, q) for p in compared for q in compared),
        )

    def _of(self, indices: Sequence[int]) -> tuple[Pair, ...]:
        return tuple(self._pairs[p] for p in indices)

    def _is_overtaken(self, p: int, q: int) -> bool:
        """Whether p was stronger than q and is weaker now, both beyond error."""
        a, b, tie = np.abs(self._a), np.abs(self._b), sum(self._errors)
        return bool(a[p] - a[q] > tie and b[q] - b[p] > tie)

    def _is_lost(self, p: int) -> bool:
        return p not in self._best_b and any(self._is_overtaken(p, q) for q in self._best_b)

    def _is_missing(self, p: int) -> bool:
        """Whether p is not known now, and would be among the strongest had it kept its strength."""
        weakest = abs(self._b[self._best_b[-1]]) if self._best_b else 0.0
        return bool(np.isnan(self._b[p]) and abs(self._a[p]) - sum(self._errors) > weakest)

    def _is_flipped(self, p: int) -> bool:
        a, b = self._a[p], self._b[p]
        return bool(a * b < 0 and abs(a) > self._errors[0] and abs(b) > self._errors[1])

    def _has_new_strongest(self) -> bool:
        if not self._best_a or not self._best_b:
            return False
        first = self._best_a[0]
        return bool(np.isnan(self._b[first])) or self._is_overtaken(first, self._best_b[0])


def _strongest(values: Array, top_k: int) -> list[int]:
    """Indices of the largest known magnitudes, strongest first, equal ones by position."""
    sizes = np.where(np.isnan(values), -1.0, np.abs(values))
    order = np.argsort(-sizes, kind="stable")[:top_k]
    return [int(index) for index in order if sizes[index] >= 0]
