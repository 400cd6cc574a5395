"""Coalitions drawn by size, in pairs of a coalition and its complement, and the errors of sums over them.

The sizes k and U − k form a stratum; one draw is a pair (S, its complement), without replacement.  A stratum with few
pairs is taken whole, so that small and large coalitions are usually all there.  With complements the parts of a game
that are even and odd in presence are told apart, which makes pair interactions more accurate at equal evaluations.
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np

from ihcli.errors import UsageError
from ihcli.removal.game import Array, Coalitions


@dataclass(frozen=True, slots=True)
class WeightedCoalitions:
    """Coalitions that stand for all of them: a mean over coalitions of uniform size is Σ_k weights[k] · …."""

    coalitions: Coalitions
    """(n, U), all different: n/2 coalitions of at most U/2 units, by size, then their complements in the same order."""
    weights: Array
    """(n,), positive, sum 1."""
    counts: tuple[int, ...]
    """How many pairs of each stratum 0 … ⌊U/2⌋ are there."""

    @property
    def units(self) -> int:
        """U."""
        return int(self.coalitions.shape[1])

    @property
    def complete(self) -> bool:
        """Whether these are all 2^U coalitions."""
        return list(self.counts) == pair_totals(self.units)

    @property
    def factors(self) -> Array:
        """How many coalitions each stands for: one over its probability of being drawn, (n,)."""
        size = self.coalitions.sum(axis=1)
        totals = np.array([math.comb(self.units, k) for k in range(self.units + 1)], dtype=np.float64)
        return np.asarray(self.weights * (self.units + 1) * totals[size])

    def sum_errors(self, contributions: Array) -> Array:
        """Standard errors of Σ contributions (n, …) to a sum over all coalitions, one of each coalition of the sample.

        √ Σ m (1 − m/M) s² over the strata, m pairs of M drawn, s² the variance of the pairs' contributions.
        """
        half = len(self.coalitions) // 2
        joined = contributions[:half] + contributions[half:]
        variance = np.zeros(contributions.shape[1:])
        start = 0
        for count, total in zip(self.counts, pair_totals(self.units), strict=True):
            if count < total:
                part = joined[start : start + count]
                variance += count * (1 - count / total) * part.var(axis=0, ddof=1)
            start += count
        return np.asarray(np.sqrt(variance))


def uniform_sizes(units: int, evaluations: int, seed: int = 0) -> WeightedCoalitions:
    """At most `evaluations` different coalitions that stand for those of uniform size; all 2^U where allowed.

    Raises `UsageError` where not even one coalition of each size is allowed.
    """
    counts = pair_counts(units, evaluations)
    generator = np.random.default_rng(seed)
    half = np.concatenate([_draw(units, size, count, generator) for size, count in enumerate(counts)])
    weights = np.concatenate(
        [np.full(count, (1 if 2 * size < units else 0.5) / ((units + 1) * count)) for size, count in enumerate(counts)]
    )
    return WeightedCoalitions(np.concatenate([half, ~half]), np.tile(weights, 2), tuple(counts))


def pair_totals(units: int) -> list[int]:
    """How many pairs of complements there are with k and U − k units, k = 0 … ⌊U/2⌋."""
    return [math.comb(units, size) // (1 if 2 * size < units else 2) for size in range(units // 2 + 1)]


def pair_counts(units: int, evaluations: int) -> list[int]:
    """How many pairs of each stratum to take, at most `evaluations` / 2 together, as evenly as the strata allow."""
    totals = pair_totals(units)
    if evaluations < 2 * len(totals):
        message = (
            f"{evaluations} evaluations are allowed; coalitions of every size of {units} units need at least "
            f"{2 * len(totals)}. Raise --evaluations, or explain larger units (--units sentence)."
        )
        raise UsageError(message)
    counts = [0] * len(totals)
    left = evaluations // 2
    order = sorted(range(len(totals)), key=lambda stratum: (totals[stratum], stratum))
    for position, stratum in enumerate(order):
        counts[stratum] = min(totals[stratum], left // (len(totals) - position))
        left -= counts[stratum]
    return counts


def _draw(units: int, size: int, count: int, generator: np.random.Generator) -> Coalitions:
    """`count` different coalitions of `size`; where complements have the same size, one of each pair."""
    if 2 * size < units:
        return coalitions_of_size(units, size, count, generator)
    others = coalitions_of_size(units - 1, size - 1, count, generator)
    return np.column_stack([np.ones(count, dtype=bool), others])


def coalitions_of_size(units: int, size: int, count: int, generator: np.random.Generator) -> Coalitions:
    """`count` different coalitions of one size, drawn uniformly, (count, U); all where that many are asked for."""
    total = math.comb(units, size)
    if total <= 4 * count:
        members = np.array(list(itertools.combinations(range(units), size)), dtype=int).reshape(total, size)
        rows = np.zeros((total, units), dtype=bool)
        np.put_along_axis(rows, members, values=True, axis=1)
        return rows[np.sort(generator.choice(total, size=count, replace=False))]
    found: dict[bytes, Coalitions] = {}
    while len(found) < count:
        order = generator.permuted(np.tile(np.arange(units), (count - len(found), 1)), axis=1)
        found.update({row.tobytes(): row for row in order < size})
    return np.array(list(found.values()), dtype=bool)
