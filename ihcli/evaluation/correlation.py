"""Pearson's r and Kendall's tau-b of two vectors of equal length (Spearman's rho: `ihcli.removal.agreement`)."""

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


def kendall(first: ArrayLike, second: ArrayLike) -> float:
    """Kendall's tau-b: Σ s_ij t_ij / √(Σ s_ij² · Σ t_ij²) over i < j, s and t the signs of the differences.

    NaN where all values of either vector are equal (Kendall 1945; the same as `scipy.stats.kendalltau`).
    """
    a, b = _vectors(first, second)
    rows, columns = np.triu_indices(len(a), k=1)
    s, t = np.sign(a[rows] - a[columns]), np.sign(b[rows] - b[columns])
    scale = float((s @ s) * (t @ t))
    return float(s @ t) / scale**0.5 if scale else float("nan")


def _vectors(first: ArrayLike, second: ArrayLike) -> tuple[Array, Array]:
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape:
        message = f"a correlation needs two vectors of equal length; their shapes are {a.shape} and {b.shape}."
        raise UsageError(message)
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        message = "a correlation needs finite numbers; leave out what is NaN or infinite first."
        raise UsageError(message)
    return a, b
