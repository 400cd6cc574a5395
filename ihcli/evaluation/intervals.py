"""Confidence intervals of means and medians over texts by bootstrap, and of paired differences between methods.

Resamples are drawn with a fixed seed, so that the same values give the same interval.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike

from ihcli.errors import UsageError
from ihcli.results import Array

Statistic = Literal["mean", "median"]
Method = Literal["bca", "percentile"]
LEVEL: Final = 0.95
RESAMPLES: Final = 2000
_BLOCK: Final = 2**22
"""Numbers that are resampled at a time: 32 MB."""
_STATISTICS: Final[dict[str, Callable[..., Array]]] = {"mean": np.mean, "median": np.median}


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate over n texts with its confidence interval; NaN throughout where n is 0."""

    estimate: float
    """The statistic of the values themselves."""
    low: float
    """Lower end; the estimate itself where all values are equal, NaN for one value."""
    high: float
    """Upper end, likewise."""
    n: int
    """Texts that have a value."""
    level: float = LEVEL
    """Probability that an interval made this way holds the true statistic."""

    def excludes(self, value: float) -> bool:
        """Whether the value lies outside; false where the interval is not known."""
        return value < self.low or value > self.high


def bootstrap(
    values: ArrayLike,
    statistic: Statistic = "mean",
    *,
    level: float = LEVEL,
    method: Method = "bca",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Confidence interval of the mean or median of one value a text.

    Percentile intervals are quantiles of the statistic over resamples; BCa intervals correct them for bias (z₀, the
    share of resamples below the estimate) and skewness (a, from leaving one value out), Efron, JASA 82, 1987.

    Args:
        values: One number a text, (n,); NaN where a text has none, which is left out.
        statistic: `mean` or `median`.
        level: Coverage of the interval, in (0, 1).
        method: `bca` or `percentile`.
        resamples: Number of resamples, at least 1.
        seed: Seed of the resamples.

    Returns:
        The estimate with its interval; for one value the ends are NaN.

    Raises:
        UsageError: For values that are no vector or infinite, an unknown statistic or method, a level outside (0, 1).

    Example:
        >>> bootstrap([1.0, 2.0, 3.0, 4.0]).estimate
        2.5

    """
    known = _known(values)
    _check(statistic, level, method, resamples)
    compute = _STATISTICS[statistic]
    if not len(known):
        return Interval(math.nan, math.nan, math.nan, 0, level)
    estimate = float(compute(known))
    if len(known) == 1:
        return Interval(estimate, math.nan, math.nan, 1, level)
    if np.ptp(known) == 0:
        return Interval(estimate, estimate, estimate, len(known), level)
    drawn = _resampled(known, compute, resamples, seed)
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    if method == "bca":
        tails = _corrected(tails, drawn, estimate, _left_out(known, statistic))
    low, high = np.quantile(drawn, tails)
    return Interval(estimate, float(low), float(high), len(known), level)


def paired_difference(
    first: ArrayLike,
    second: ArrayLike,
    statistic: Statistic = "mean",
    *,
    level: float = LEVEL,
    method: Method = "bca",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Confidence interval of the mean or median of first - second, text by text.

    Both vectors are of the same texts in the same order; a text that lacks either value is left out.  Texts differ far
    more than methods do, so this interval is usually much shorter than the two methods' own.  Other arguments, result
    and errors as in `bootstrap`.

    Example:
        >>> paired_difference([1.0, 5.0, 9.0], [0.0, 4.0, 8.0]).estimate
        1.0

    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape:
        message = f"paired values have shapes {a.shape} and {b.shape}; both must be of the same texts in one order."
        raise UsageError(message)
    return bootstrap(a - b, statistic, level=level, method=method, resamples=resamples, seed=seed)


def _known(values: ArrayLike) -> Array:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or np.isinf(array).any():
        message = (
            f"values have shape {array.shape}; they must be (n,), one finite number a text, NaN where it has none."
        )
        raise UsageError(message)
    return array[~np.isnan(array)]


def _check(statistic: str, level: float, method: str, resamples: int) -> None:
    if statistic not in _STATISTICS:
        message = f"statistic {statistic!r} is not known. Use mean or median."
        raise UsageError(message)
    if method not in ("bca", "percentile"):
        message = f"method {method!r} is not known. Use bca or percentile."
        raise UsageError(message)
    if not 0 < level < 1:
        message = f"level is {level}; it must lie between 0 and 1, for example 0.95."
        raise UsageError(message)
    if resamples < 1:
        message = f"resamples is {resamples}; at least 1 is needed, some thousands are usual."
        raise UsageError(message)


def _resampled(values: Array, compute: Callable[..., Array], resamples: int, seed: int) -> Array:
    """The statistic of each resample, (resamples,); drawn in blocks so that memory stays bounded."""
    generator = np.random.default_rng(seed)
    rows = max(1, _BLOCK // len(values))
    found = []
    for start in range(0, resamples, rows):
        size = (min(rows, resamples - start), len(values))
        found.append(compute(values[generator.integers(0, len(values), size)], axis=1))
    return np.concatenate(found)


def _left_out(values: Array, statistic: str) -> Array:
    """The statistic without each value in turn, (n,)."""
    n = len(values)
    if statistic == "mean":
        return np.asarray((values.sum() - values) / (n - 1))
    # The median without the value of rank r depends only on the side of the middle that r lies on.
    order = np.sort(values)
    place = np.argsort(np.argsort(values, kind="stable"), kind="stable")
    low, high = (n - 2) // 2, (n - 1) // 2  # the middle places of the n - 1 that are left
    return np.asarray((order[low + (place <= low)] + order[high + (place <= high)]) / 2)


def _corrected(tails: Array, drawn: Array, estimate: float, left_out: Array) -> Array:
    """BCa's tail probabilities; the plain ones where the bias correction is not finite."""
    normal = NormalDist()
    below = float(((drawn < estimate).sum() + (drawn <= estimate).sum()) / (2 * len(drawn)))
    if not 0 < below < 1:
        return tails
    bias = normal.inv_cdf(below)
    spread = left_out.mean() - left_out
    square = float((spread**2).sum())
    skewness = float((spread**3).sum()) / (6 * square**1.5) if square else 0.0
    found = []
    for tail in tails:
        z = bias + normal.inv_cdf(float(tail))
        found.append(normal.cdf(bias + z / (1 - skewness * z)))
    return np.array(found)
