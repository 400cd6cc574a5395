"""The check by removal: what happens to the score when the words of an explanation are really removed.

Every explanation is held against the game of deletion: the text without some of its units, tokenized anew.  For the
strongest pairs the texts without one unit, without the other and without both are shown; over coalitions of uniform
size the score is predicted from the matrix (by the quadratic form of `ihcli.removal.judging`) and from the attributions
alone, and R² says how well; beyond five units it is estimated (`ihcli.removal.sampled_judging`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ihcli import wording
from ihcli.models.deletion import DeletionGame
from ihcli.removal.correlation import pearson
from ihcli.removal.game import Array, Coalitions, CountedGame, all_coalitions
from ihcli.removal.judging import integrated_hessians_form, linear_form
from ihcli.removal.multilinear import NORMAL_95, exact_interactions
from ihcli.removal.sampled_judging import Fit, fits, spread_coalitions
from ihcli.results import Explanation, Removal, RemovedPair, RemovedText

PAIRS = 3
"""Strongest pairs whose texts are shown."""
COMPARED = 10
"""Strongest pairs whose sign is compared with removal."""
NOTABLE = 0.1
"""Pairs below this share of the strongest are not compared."""
EXACT_UNITS = 5
"""Up to so many units all coalitions are evaluated."""
APART = 0.1
"""R² of the pattern alone is told where it is higher by so much."""
SPREAD = (10, 64)
"""Coalitions that are evaluated besides those of the pairs for more units: as many as units, within these bounds."""
_LONGEST = 40
"""Characters of a unit's name."""


@dataclass(frozen=True, slots=True)
class _Strong:
    """A pair of the matrix, i < j, and its entry."""

    i: int
    j: int
    entry: float


def check_by_removal(explanation: Explanation, game: DeletionGame) -> Removal:
    """Hold an explanation against the removal of its units.

    The number of texts follows the number of units alone, so that the check is the same on every machine.

    Args:
        explanation: A result whose units are the players of the game.
        game: The game of deletion of the same text, units and target.

    Returns:
        The strongest pairs with the texts that were evaluated, R² and the agreement of signs.

    Raises:
        ModelError: The model cannot evaluate a text without some of its words.
    """
    units = len(explanation.units)
    smoothed = explanation.certificate.surrogate is not None  # then f is not the model's own score
    counted = CountedGame(game, units, whole=None if smoothed else explanation.f_input)
    strong = _strong(explanation)
    exact = units <= EXACT_UNITS
    asked = np.unique(np.concatenate([_fours(strong, units).reshape(-1, units), _further(units)]), axis=0)
    values = counted(asked)  # all at once, for the sake of few forward passes
    effects = counted(_fours(strong, units).reshape(-1, units)).reshape(-1, 4) @ np.array([1.0, -1.0, -1.0, 1.0])
    found = _fits(explanation, asked, values) if units > 1 else _Fits()
    correlation = _correlation(explanation.ih, exact_interactions(counted, units).matrix) if exact else None
    pairs = _shown(explanation, game, counted, strong[:PAIRS], effects)
    agreeing = sum(own.entry * effect > 0 for own, effect in zip(strong, effects, strict=True))
    nothing = game.predictions(np.zeros((1, units), dtype=bool))[0] if units == 1 else None
    matrix, attributions = found.matrix, found.attributions
    return Removal(
        sentence=_sentence(explanation, pairs, agreeing, len(strong), matrix, nothing),
        pairs=pairs,
        compared=len(strong),
        agreeing=agreeing,
        r_squared=None if matrix is None else matrix.r_squared,
        r_squared_attributions=None if attributions is None else attributions.r_squared,
        correlation=correlation if units > 1 else None,
        exact=exact,
        evaluations=counted.evaluations,
        scale=None if matrix is None else matrix.scale,
        r_squared_scaled=None if matrix is None else matrix.r_squared_scaled,
        r_squared_error=None if matrix is None else matrix.error,
        r_squared_attributions_error=None if attributions is None else attributions.error,
    )


def coalitions(units: int) -> int:
    """How many coalitions of so many units the check evaluates besides those of the pairs."""
    return 2**units if units <= EXACT_UNITS else min(max(SPREAD[0], units), SPREAD[1])


def _further(units: int) -> Coalitions:
    """The coalitions that are evaluated whatever the pairs are: both ends, and some or all between them."""
    if units <= EXACT_UNITS:
        return all_coalitions(units)
    ends = np.array([[False] * units, [True] * units])
    return np.concatenate([ends, spread_coalitions(units, coalitions(units))])


@dataclass(frozen=True, slots=True)
class _Fits:
    """How well the matrix and the attributions alone predict removal; None where that is not known."""

    matrix: Fit | None = None
    attributions: Fit | None = None


def _fits(explanation: Explanation, rows: Coalitions, values: Array) -> _Fits:
    """Over coalitions of uniform size, from some of them (n, U) or all, and their values (n,)."""
    v_none = float(values[~rows.any(axis=1)][0])
    forms = [linear_form(explanation.ig, v_none)]
    if explanation.method == "ih" and not np.isnan(explanation.ih).any():
        forms.append(integrated_hessians_form(explanation.ih, v_none))
    found = fits(forms, rows, values)
    return _Fits() if found is None else _Fits(found[1] if len(found) > 1 else None, found[0])


def _strong(explanation: Explanation) -> list[_Strong]:
    """The strongest pairs, those of a notable size, strongest first."""
    pairs = explanation.pairs()[:COMPARED]
    least = NOTABLE * abs(pairs[0][2]) if pairs else 0.0
    return [_Strong(i, j, value) for i, j, value in pairs if abs(value) >= least and value != 0]


def _fours(strong: Sequence[_Strong], units: int) -> Coalitions:
    """For each pair the text, the text without i, without j, and without both: (n, 4, U)."""
    rows = np.ones((len(strong), 4, units), dtype=bool)
    for row, own in zip(rows, strong, strict=True):
        row[1, own.i] = row[2, own.j] = row[3, own.i] = row[3, own.j] = False
    return rows


def _shown(
    explanation: Explanation, game: DeletionGame, counted: CountedGame, strong: Sequence[_Strong], effects: Array
) -> tuple[RemovedPair, ...]:
    """Pairs with the three texts without their units."""
    units = len(explanation.units)
    rows = _fours(strong, units)[:, 1:].reshape(-1, units)
    if not len(rows):
        return ()
    texts = [
        RemovedText(tuple(np.flatnonzero(~row).tolist()), " / ".join(sides), label, probability, score)
        for row, sides, (label, probability), score in zip(
            rows, game.texts(rows), game.predictions(rows), counted(rows).tolist(), strict=True
        )
    ]
    return tuple(
        RemovedPair(own.i, own.j, own.entry, float(effect), *texts[3 * place : 3 * place + 3])
        for place, (own, effect) in enumerate(zip(strong, effects, strict=False))
    )


def _correlation(matrix: Array, other: Array) -> float | None:
    """Pearson's correlation of the entries of pairs; None where one of them is constant."""
    rows, columns = np.triu_indices(len(matrix), k=1)
    first, second = matrix[rows, columns], other[rows, columns]
    known = ~np.isnan(first)
    found = pearson(first[known], second[known])
    return None if math.isnan(found) else found


def contradictions(explanation: Explanation, removal: Removal) -> list[str]:
    """A warning for each pair that is shown and that removal gives the other sign, where it shows anything."""
    names = wording.names(explanation.units, _LONGEST)
    return [
        f"Removing words gives {names[pair.i]} · {names[pair.j]} the other sign: together they add "
        f"{_signed(pair.effect)} to the score beyond what each adds, the matrix 2Γ = {_signed(2 * pair.interaction)}."
        for pair in removal.pairs
        if not pair.agrees and abs(pair.effect) >= NOTABLE * abs(pair.interaction)
    ]


def _sentence(
    explanation: Explanation,
    pairs: Sequence[RemovedPair],
    agreeing: int,
    compared: int,
    fit: Fit | None,
    nothing: tuple[str, float] | None = None,
) -> str:
    """The finding in plain words; `nothing` is the model's answer to a text without its only unit."""
    names = [f"“{name}”" for name in wording.names(explanation.units, _LONGEST)]
    parts = []
    if nothing is not None:
        parts.append(f"Without {names[0]} nothing is left, and the model says {_answer(explanation, *nothing)}.")
    if pairs:
        first, said = pairs[0], explanation.prediction
        texts = first.without_first, first.without_second, first.without_both
        answers = [_answer(explanation, one.label, one.probability) for one in texts]
        parts.append(
            f"The text: {_answer(explanation, said.label, said.probabilities[said.label])}; without {names[first.i]}: "
            f"{answers[0]}; without {names[first.j]}: {answers[1]}; without both: {answers[2]}."
        )
    if compared == 1:
        sign = "the same sign as the matrix" if agreeing else "another sign than the matrix"
        parts.append(f"Removing words gives this pair {sign}.")
    elif compared:
        every = "both" if compared == 2 else f"all {compared}"  # noqa: PLR2004
        some = every if agreeing == compared else f"{agreeing} of the {compared}"
        parts.append(f"Removing words gives {some} strongest pairs the same sign as the matrix.")
    if fit is not None:
        parts.append(_explained(fit))
    return " ".join(parts)


def _explained(fit: Fit) -> str:
    """How much of what removing words does the matrix explains, as it stands or by its pattern alone."""
    scaled = fit.r_squared_scaled
    if fit.scale is not None and scaled is not None and fit.scale > 0 and scaled >= max(fit.r_squared + APART, APART):
        factor, size = (1 / fit.scale, "large") if fit.scale < 1 else (fit.scale, "small")
        return (
            f"Its pattern explains {_share(scaled, fit.error_scaled)} of how the score varies as words are removed, "
            f"but its numbers are {factor:.2g} times too {size} for that."
        )
    if fit.r_squared > 0:
        return f"The matrix explains {_share(fit.r_squared, fit.error)} of how the score varies as words are removed."
    return (
        "The matrix does not predict how the score varies as words are removed: the mean score would predict it better."
    )


def _share(value: float, error: float | None) -> str:
    """A share in percent, with its 95 % interval where it is an estimate."""
    if not error:
        return f"{100 * value:.0f} %"
    low, high = max(value - NORMAL_95 * error, 0.0), min(value + NORMAL_95 * error, 1.0)
    return f"about {100 * value:.0f} % (from {100 * low:.0f} to {100 * high:.0f} %)"


def _answer(explanation: Explanation, label: str, probability: float) -> str:
    """A label with its probability, or a regressor's value."""
    return f"{label} = {probability:.2f}" if explanation.prediction.are_values else f"{label} ({probability:.2f})"


def _signed(value: float) -> str:
    """A number with its sign."""
    return f"{value:+.3g}".replace("-", wording.MINUS)
