"""Stability across baselines: how far explanations of one text by several baselines agree; pairs that turn sign."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ihcli.errors import UsageError
from ihcli.removal.agreement import agreement
from ihcli.removal.game import Array

NOTABLE = 0.1
"""Entries below this share of the largest are too small for their sign to be worth a word."""
_LEAST = 2
Pair = tuple[int, int]


class Partial(Protocol):
    """An explanation, which may lack attributions or pairs."""

    @property
    def attributions(self) -> Array | None:
        """(U,), or None."""

    @property
    def matrix(self) -> Array | None:
        """(U, U), symmetric, or None."""


@dataclass(frozen=True, slots=True)
class Stability:
    """Agreement of several explanations of one text, each number a mean over all pairs of explanations.

    NaN where no pair of explanations shares enough numbers to say.
    """

    attribution_correlation: float
    """Spearman's rank correlation of attributions, signs included."""
    pair_correlation: float
    """Spearman's rank correlation of pairs, signs included."""
    attribution_signs: float
    """Share of equal signs among the strongest attributions."""
    pair_signs: float
    """Share of equal signs among the strongest pairs."""
    same_strongest_pair: float
    """Share of pairs of explanations with the same strongest pair."""
    turning: tuple[Pair, ...]
    """Pairs (i, j), i < j, that have a notable entry of either sign, strongest first."""

    def to_dict(self) -> dict[str, float]:
        """The numbers by name, with the count of turning pairs, to be added to an `Evaluation`."""
        names = (
            "attribution_correlation",
            "pair_correlation",
            "attribution_signs",
            "pair_signs",
            "same_strongest_pair",
        )
        return {**{f"stability_{name}": getattr(self, name) for name in names}, "turning_pairs": len(self.turning)}


def stability(explanations: Sequence[Partial], strongest: int = 10) -> Stability:
    """Compare explanations of one text by the same method against several baselines.

    Args:
        explanations: At least two, of the same units, each with attributions and a matrix.
        strongest: Signs are compared among so many of the largest magnitudes.

    Returns:
        Means over all pairs of explanations, from -1 to 1 for correlations and 0 to 1 for shares.

    Raises:
        UsageError: For fewer than two explanations, other units, or one that lacks attributions or a matrix.

    Example:
        >>> import numpy as np
        >>> from ihcli.evaluation.measuring import Explained
        >>> one = Explained(np.array([1.0, 2.0, 3.0]), np.array([[0, 1, 2], [1, 0, 3], [2, 3, 0]]))
        >>> stability([one, one]).pair_correlation
        1.0

    """
    if len(explanations) < _LEAST:
        message = f"{len(explanations)} explanations are given; stability needs at least two, one a baseline."
        raise UsageError(message)
    complete = [_Complete.of(one) for one in explanations]
    found = [agreement(a, b, strongest) for a, b in itertools.combinations(complete, 2)]
    return Stability(
        attribution_correlation=_mean([one.attribution_correlation for one in found]),
        pair_correlation=_mean([one.pair_correlation for one in found]),
        attribution_signs=_mean([one.attribution_signs for one in found]),
        pair_signs=_mean([one.pair_signs for one in found]),
        same_strongest_pair=_mean([one.same_strongest_pair for one in found]),
        turning=tuple(turning_pairs(np.array([one.matrix for one in complete]))),
    )


@dataclass(frozen=True, slots=True)
class _Complete:
    """An explanation that has both parts."""

    attributions: Array
    matrix: Array

    @classmethod
    def of(cls, explained: Partial) -> "_Complete":
        if explained.attributions is None or explained.matrix is None:
            message = "an explanation lacks attributions or a matrix; stability compares both."
            raise UsageError(message)
        return cls(explained.attributions, explained.matrix)


def turning(values: Array) -> list[int]:
    """The columns of (B, n), a row a baseline, that hold a notable number of either sign, strongest first.

    A number is notable from a tenth of the largest of its row on; one that is not known (NaN) is not.
    """
    known = np.nan_to_num(values)
    shares = known / np.maximum(np.abs(known).max(axis=1, initial=0.0, keepdims=True), np.finfo(float).tiny)
    found = np.flatnonzero((shares > NOTABLE).any(axis=0) & (shares < -NOTABLE).any(axis=0))
    return sorted(found.tolist(), key=lambda column: -float(np.abs(known[:, column]).mean()))


def turning_pairs(matrices: Array) -> list[Pair]:
    """The pairs (i, j), i < j, of which `turning` says so, for matrices (B, U, U)."""
    rows, columns = np.triu_indices(matrices.shape[1], k=1)
    return [(int(rows[pair]), int(columns[pair])) for pair in turning(matrices[:, rows, columns])]


def _mean(values: Sequence[float | None]) -> float:
    known = [float(value) for value in values if value is not None]
    return sum(known) / len(known) if known else math.nan
