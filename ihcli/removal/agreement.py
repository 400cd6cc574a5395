"""Agreement of two explanations of the same units: ranks, signs, and the strongest pair."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ihcli.errors import UsageError
from ihcli.removal.correlation import spearman
from ihcli.removal.game import Array


class Explained(Protocol):
    """What two explanations need to be compared: any result with attributions (U,) and a matrix of pairs (U, U)."""

    @property
    def attributions(self) -> Array:
        """(U,), free of NaN."""

    @property
    def matrix(self) -> Array:
        """(U, U), symmetric; NaN off the diagonal where a pair was not computed."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How two explanations agree; None where they share too few numbers to say."""

    attribution_correlation: float | None
    """Spearman's rank correlation of the attributions, signs included."""
    pair_correlation: float | None
    """Spearman's rank correlation of the pairs that both have, signs included."""
    attribution_signs: float | None
    """Among the strongest attributions of either, the share with the same sign in both."""
    pair_signs: float | None
    """Among the strongest pairs of either, the share with the same sign in both."""
    same_strongest_pair: bool | None
    """Whether the pair with the largest magnitude is the same."""


def agreement(first: Explained, second: Explained, strongest: int = 10) -> Agreement:
    """Compare two explanations of the same units.

    Args:
        first: one result, with `attributions` (U,) and `matrix` (U, U).
        second: another result of the same units; sizes need not be comparable, only ranks and signs are.
        strongest: signs are compared among so many of the largest magnitudes of each of the two.

    Returns:
        Correlations from −1 to 1, shares from 0 to 1; only pairs that both have are compared.

    Raises:
        UsageError: for results of different numbers of units, and fewer than one strongest.

    Example:
        >>> from ihcli.removal.methods import explain_game
        >>> product = lambda present: 1.0 * (present[:, 0] & present[:, 1])
        >>> one, other = (explain_game(product, 3, name) for name in ("shapley", "occlusion"))
        >>> agreement(one, other).same_strongest_pair
        True

    """
    if first.attributions.shape != second.attributions.shape:
        message = (
            f"The results have {len(first.attributions)} and {len(second.attributions)} units; only results of the "
            "same units can be compared. Explain the same text with the same --units."
        )
        raise UsageError(message)
    if strongest < 1:
        message = f"The strongest {strongest} are to be compared; give at least 1."
        raise UsageError(message)
    rows, columns = np.triu_indices(len(first.attributions), k=1)
    one, other = first.matrix[rows, columns], second.matrix[rows, columns]
    both = np.isfinite(one) & np.isfinite(other)
    one, other = one[both], other[both]
    return Agreement(
        attribution_correlation=spearman(first.attributions, second.attributions),
        pair_correlation=spearman(one, other),
        attribution_signs=same_signs(first.attributions, second.attributions, strongest),
        pair_signs=same_signs(one, other, strongest),
        same_strongest_pair=bool(np.abs(one).argmax() == np.abs(other).argmax()) if len(one) else None,
    )


def same_signs(first: Array, second: Array, strongest: int) -> float | None:
    """The share of equal signs among the `strongest` magnitudes of either of two (n,) vectors; None for no values."""
    if not len(first):
        return None
    chosen = np.union1d(*(np.argsort(-np.abs(values), kind="stable")[:strongest] for values in (first, second)))
    return float((np.sign(first[chosen]) == np.sign(second[chosen])).mean())
