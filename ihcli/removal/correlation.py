"""Pearson's r, Spearman's ρ and Kendall's τ-b of two vectors of equal length."""

import numpy as np
from numpy.typing import ArrayLike

from ihcli.errors import UsageError
from ihcli.results import Array

_LEAST = 2


def pearson(first: ArrayLike, second: ArrayLike) -> float:
    """Pearson's correlation of two vectors; NaN where either is constant or has fewer than two entries."""
    a, b = _vectors(first, second)
    if len(a) < _LEAST or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    a, b = a - a.mean(), b - b.mean()
    a, b = a / np.abs(a).max(), b / np.abs(b).max()  # squares of very small entries would vanish
    return float(np.clip(a @ b / np.sqrt((a @ a) * (b @ b)), -1.0, 1.0))


def spearman(first: ArrayLike, second: ArrayLike) -> float | None:
    """Spearman's rank correlation of two vectors, ties by their mean rank; None where one of them is constant."""
    ranks = [_ranks(values) - (len(values) - 1) / 2 for values in _vectors(first, second)]
    spread = float((ranks[0] ** 2).sum() * (ranks[1] ** 2).sum())
    return float(ranks[0] @ ranks[1]) / spread**0.5 if spread else None


def kendall(first: ArrayLike, second: ArrayLike, tie: float = 0.0) -> float:
    """Kendall's tau-b: Σ s_ij t_ij / √(Σ s_ij² · Σ t_ij²) over i < j, s and t the signs of the differences.

    Values within `tie` of each other are tied.  NaN where all values of either vector are (Kendall 1945; the same as
    `scipy.stats.kendalltau`).
    """
    rows, columns = np.triu_indices(len(np.asarray(first)), k=1)
    orders = []
    for values in _vectors(first, second):
        difference = values[rows] - values[columns]
        orders.append(np.where(np.abs(difference) > tie, np.sign(difference), 0.0))
    s, t = orders
    scale = float((s @ s) * (t @ t))
    return float(s @ t) / scale**0.5 if scale else float("nan")


def _ranks(values: Array) -> Array:
    """Ranks 0 … n − 1, equal values sharing the mean of their ranks."""
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts + 1) / 2)[group], dtype=np.float64)


def _vectors(first: ArrayLike, second: ArrayLike) -> tuple[Array, Array]:
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape:
        message = f"a correlation needs two vectors of equal length; their shapes are {a.shape} and {b.shape}."
        raise UsageError(message)
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        message = "a correlation needs finite numbers; leave out what is NaN or infinite first."
        raise UsageError(message)
    return a, b
