"""The strongest pairs of two results, compared by rank, where only differences that the certificates rule in count.

A pair's rank is by |Γ|.  Two pairs p, q have *reversed* when |old_p| - |old_q| > τ and |new_q| - |new_p| > τ, τ the
certified error of both results together.  Results that differ by at most τ in every entry thus never show a reversal.
"""

from dataclasses import dataclass

import numpy as np

from ihcli.results import Array


def kendall_tau(first: Array, second: Array, tie: float = 0.0) -> float:
    """Kendall's tau-b of two (n,) vectors; values within `tie` of each other are tied, NaN if all are in either.

    τ_b = Σ s_ij t_ij / √(Σ s_ij² · Σ t_ij²) over i < j, s and t the signs of the differences (Kendall 1945).
    """
    rows, columns = np.triu_indices(len(first), k=1)
    orders = []
    for values in (first, second):
        difference = values[rows] - values[columns]
        orders.append(np.where(np.abs(difference) > tie, np.sign(difference), 0.0))
    weight = float((orders[0] ** 2).sum() * (orders[1] ** 2).sum())
    return float((orders[0] * orders[1]).sum()) / weight**0.5 if weight else float("nan")


@dataclass(frozen=True, slots=True)
class Ranking:
    """How two matrices of the same units (U, U) compare by rank; pairs are (i, j) with i < j."""

    k: int
    lost: tuple[tuple[int, int], ...]
    """Among the k strongest before and, beyond error, no longer."""
    missing: tuple[tuple[int, int], ...]
    """Not computed in the new result though it would have been had it kept its strength."""
    flipped: tuple[tuple[int, int], ...]
    """Of a certain sign before and of the certain opposite now."""
    strongest_old: tuple[int, int] | None
    strongest_new: tuple[int, int] | None
    strongest_changed: bool
    tau: float
    reversals: int
    """Orders among the strongest that turned beyond error."""

    @property
    def overlap(self) -> float:
        """The share of the k strongest that stayed; 1 if there are none."""
        return 1.0 - (len(self.lost) + len(self.missing)) / self.k if self.k else 1.0


def compare_rankings(old: Array, new: Array, top_k: int, errors: tuple[float, float]) -> Ranking:
    """Compare the `top_k` strongest pairs of `old` and `new`; `errors` are the two results' certified errors."""
    tie = sum(errors)
    rows, columns = np.triu_indices(len(old), k=1)
    a, b = old[rows, columns], new[rows, columns]
    best_a, best_b = _strongest(a, top_k), _strongest(b, top_k)
    size_a, size_b = np.abs(a), np.abs(b)

    def pair(index: int) -> tuple[int, int]:
        return int(rows[index]), int(columns[index])

    def overtaken(p: int, q: int) -> bool:
        return bool(size_a[p] - size_a[q] > tie and size_b[q] - size_b[p] > tie)

    lost = [p for p in best_a if any(overtaken(p, q) for q in best_b)] if len(best_a) else []
    lost = [p for p in lost if p not in set(best_b)]
    least = size_b[best_b[-1]] if len(best_b) else 0.0
    missing = [p for p in best_a if np.isnan(b[p]) and size_a[p] - tie > least]
    either = np.union1d(best_a, best_b).astype(int)
    both = either[~np.isnan(a[either]) & ~np.isnan(b[either])]
    flipped = [p for p in both if _certain_flip(a[p], b[p], errors)]
    return Ranking(
        k=len(best_a),
        lost=tuple(pair(p) for p in lost),
        missing=tuple(pair(p) for p in missing),
        flipped=tuple(pair(p) for p in flipped),
        strongest_old=pair(best_a[0]) if len(best_a) else None,
        strongest_new=pair(best_b[0]) if len(best_b) else None,
        # Where the strongest is not computed any more, it left all that were asked for.
        strongest_changed=bool(best_a and best_b and (overtaken(best_a[0], best_b[0]) or np.isnan(b[best_a[0]]))),
        tau=kendall_tau(size_a[both], size_b[both], tie),
        reversals=sum(overtaken(p, q) for p in both for q in both),
    )


def _strongest(values: Array, top_k: int) -> list[int]:
    """Indices of the largest known magnitudes, strongest first, ties by position."""
    sizes = np.where(np.isnan(values), -1.0, np.abs(values))
    order = np.argsort(-sizes, kind="stable")[:top_k]
    return [int(index) for index in order if sizes[index] >= 0]


def _certain_flip(old: float, new: float, errors: tuple[float, float]) -> bool:
    return bool(old * new < 0 and abs(old) > errors[0] and abs(new) > errors[1])
