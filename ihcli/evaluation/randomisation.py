"""The randomisation check: the explanation of a model with random weights must differ from the model's own.

Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018: an explanation that stays the same when the weights are
random explains the text, not the model.  It is compared by rank, once with signs and once by magnitude.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike

from ihcli.counting import counted
from ihcli.errors import UsageError
from ihcli.evaluation import metrics
from ihcli.evaluation.intervals import Interval, bootstrap
from ihcli.removal.correlation import spearman
from ihcli.results import Array

LIMIT: Final = 0.5
"""Rank correlation from which two explanations count as alike: a quarter of the variance of the ranks is shared."""
_LEAST: Final = 3
"""Numbers that a rank correlation needs to say anything: of two, it is always 1 or -1."""

Verdict = Literal["differs", "does not differ", "undecided"]


@dataclass(frozen=True, slots=True)
class RandomisedText:
    """Spearman's correlations of one text's explanation with that of the random model; NaN with fewer than 3 numbers.

    Also NaN where all numbers of either are equal, and for what an explanation lacks.
    """

    attributions: float
    """Of attributions, signs included."""
    attribution_sizes: float
    """Of their magnitudes."""
    pairs: float
    """Of the pairs that both know, signs included."""
    pair_sizes: float
    """Of their magnitudes."""


@dataclass(frozen=True, slots=True)
class Randomisation:
    """The check over texts: a mean correlation of each kind with its interval, and what follows."""

    attributions: Interval
    attribution_sizes: Interval
    pairs: Interval
    pair_sizes: Interval
    attribution_verdict: Verdict
    """By the larger of the two means of attributions."""
    pair_verdict: Verdict
    """By the larger of the two means of pairs."""
    limit: float
    """The correlation that an interval must stay below for `differs`, or above for `does not differ`."""

    @property
    def passed(self) -> bool:
        """Whether what is known of the explanation differs from that of a random model."""
        known = [
            verdict
            for verdict, interval in (
                (self.attribution_verdict, self.attribution_sizes),
                (self.pair_verdict, self.pair_sizes),
            )
            if interval.n
        ]
        return bool(known) and all(verdict == "differs" for verdict in known)

    @property
    def sentence(self) -> str:
        """The result in plain words."""
        parts = [
            f"{name} {verdict} (mean rank correlation {worst.estimate:.2f}, 95 % interval {worst.low:.2f} to "
            f"{worst.high:.2f}, {counted(worst.n, 'text')})"
            for name, verdict, worst in (
                ("the attributions", self.attribution_verdict, _worst(self.attributions, self.attribution_sizes)),
                ("the pairs", self.pair_verdict, _worst(self.pairs, self.pair_sizes)),
            )
            if worst.n
        ]
        if not parts:
            return "Against a model with random weights nothing could be compared: texts of three units are needed."
        return f"Against a model with random weights, below {self.limit:g} being different: {'; '.join(parts)}."


def compare_randomised(
    attributions: ArrayLike | None,
    random_attributions: ArrayLike | None,
    matrix: ArrayLike | None = None,
    random_matrix: ArrayLike | None = None,
) -> RandomisedText:
    """Rank correlations of one text's explanation and the one of the same method on a model with random weights.

    Args:
        attributions: Of the model, (U,), or None.
        random_attributions: Of the random model, (U,); None exactly where the first is.
        matrix: Of the model, (U, U), NaN where a pair is not known, or None.
        random_matrix: Of the random model, likewise.

    Returns:
        The correlations, in [-1, 1].

    Raises:
        UsageError: For explanations of different units, or where one of the two is missing.

    """
    numbers = _correlations(attributions, random_attributions, metrics.finite)
    pairs = _correlations(matrix, random_matrix, _upper)
    return RandomisedText(*numbers, *pairs)


def randomisation_check(
    texts: Iterable[RandomisedText], *, limit: float = LIMIT, level: float = 0.95, seed: int = 0
) -> Randomisation:
    """The verdict over texts: `differs` where the interval of the mean correlation lies below `limit`.

    The larger of the two means (signed, magnitudes) decides; its magnitude counts, so that an explanation that turns
    every sign is no other explanation.  `undecided` where the interval holds the limit, or fewer than two texts count.

    Args:
        texts: One `compare_randomised` a text.
        limit: In (0, 1].
        level: Coverage of the intervals.
        seed: Seed of the bootstrap.

    Returns:
        Mean correlations with intervals, and a verdict each for attributions and pairs.

    Raises:
        UsageError: For a limit or level outside (0, 1].

    """
    if not 0 < limit <= 1:
        message = f"the limit of the randomisation check is {limit}; it must be above 0 and at most 1."
        raise UsageError(message)
    rows = list(texts)
    found = {
        name: bootstrap([getattr(row, name) for row in rows], level=level, seed=seed)
        for name in ("attributions", "attribution_sizes", "pairs", "pair_sizes")
    }
    return Randomisation(
        **found,
        attribution_verdict=_verdict(_worst(found["attributions"], found["attribution_sizes"]), limit),
        pair_verdict=_verdict(_worst(found["pairs"], found["pair_sizes"]), limit),
        limit=limit,
    )


def _correlations(
    own: ArrayLike | None, random: ArrayLike | None, numbers: Callable[[ArrayLike], Array]
) -> tuple[float, float]:
    if own is None and random is None:
        return math.nan, math.nan
    if own is None or random is None:
        message = "only one of the two explanations has these numbers; compare the same method on both models."
        raise UsageError(message)
    a, b = numbers(own), numbers(random)
    if a.shape != b.shape:
        message = f"the explanations are of {np.shape(own)} and {np.shape(random)}; compare the same text and units."
        raise UsageError(message)
    known = np.isfinite(a) & np.isfinite(b)
    a, b = a[known], b[known]
    if len(a) < _LEAST:
        return math.nan, math.nan
    signed, sizes = spearman(a, b), spearman(np.abs(a), np.abs(b))
    return math.nan if signed is None else signed, math.nan if sizes is None else sizes


def _upper(matrix: ArrayLike) -> Array:
    m = metrics.square(matrix)
    return m[np.triu_indices(len(m), k=1)]


def _worst(signed: Interval, sizes: Interval) -> Interval:
    """The interval whose mean is further from 0; of the signed one its mirror image where it is negative."""
    if signed.n and signed.estimate < 0:
        signed = Interval(-signed.estimate, -signed.high, -signed.low, signed.n, signed.level)
    return signed if signed.n and signed.estimate > sizes.estimate else sizes


def _verdict(interval: Interval, limit: float) -> Verdict:
    if interval.high < limit:
        return "differs"
    return "does not differ" if interval.low > limit else "undecided"
