"""The check by removal: what happens to the score when the words of an explanation are really removed.

Every explanation is held against the game of deletion: the text without some of its units, tokenized anew.  For the
strongest pairs the texts without one unit, without the other and without both are shown; over coalitions of uniform
size the score is predicted from the matrix (by the quadratic form of `ihcli.removal.judging`) and from the attributions
alone, and R² says how well; beyond five units it is estimated (`ihcli.removal.sampled_judging`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ihcli import wording
from ihcli.models.deletion import DeletionGame
from ihcli.removal.correlation import pearson
from ihcli.removal.game import Array, Coalitions, CountedGame, all_coalitions
from ihcli.removal.judging import integrated_hessians_form, linear_form
from ihcli.removal.multilinear import exact_interactions
from ihcli.removal.sampled_judging import Fit, fits, spread_coalitions
from ihcli.results import Explanation, PairEffect, Removal, RemovedPair, RemovedText

PAIRS = 3
"""Strongest pairs whose texts are shown."""
COMPARED = 10
"""Strongest pairs whose sign is compared with removal."""
NOTABLE = 0.1
"""Pairs below this share of the strongest are not compared."""
EXACT_UNITS = 5
"""Up to so many units all coalitions are evaluated."""
SPREAD = (10, 64)
"""Coalitions that are evaluated besides those of the pairs for more units: as many as units, within these bounds."""


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
    fours = _fours(strong, units).reshape(-1, units)
    asked = np.unique(np.concatenate([fours, _ends(explanation, strong), _further(units)]), axis=0)
    values = counted(asked)  # all at once, for the sake of few forward passes
    effects = counted(fours).reshape(-1, 4) @ np.array([1.0, -1.0, -1.0, 1.0])
    found = _fits(explanation, asked, values) if units > 1 else _Fits()
    correlation = _correlation(explanation.ih, exact_interactions(counted, units).matrix) if exact else None
    agreeing = sum(own.entry * effect > 0 for own, effect in zip(strong, effects, strict=True))
    matrix, attributions = found.matrix, found.attributions
    nothing, *largest = _removed(game, counted, _ends(explanation, strong))
    removal = Removal(
        sentence="",
        pairs=_shown(game, counted, strong[:PAIRS], effects),
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
        r_squared_scaled_error=None if matrix is None else matrix.error_scaled,
        nothing=nothing,
        largest=largest[0] if largest else None,
        contradicted=tuple(
            PairEffect(own.i, own.j, own.entry, float(effect))
            for own, effect in zip(strong, effects, strict=True)
            if own.entry * effect <= 0
        ),
    )
    return replace(removal, sentence=wording.by_removal(explanation, removal))


def coalitions(units: int) -> int:
    """How many coalitions of so many units the check evaluates besides those of the pairs."""
    return 2**units if units <= EXACT_UNITS else min(max(SPREAD[0], units), SPREAD[1])


def most_texts(units: int) -> int:
    """How many texts of so many units the check evaluates at most."""
    return coalitions(units) + 3 * COMPARED


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


def _ends(explanation: Explanation, strong: Sequence[_Strong]) -> Coalitions:
    """The text without any unit, and the one without the unit of the largest attribution, (1 or 2, U).

    The second is left out where it is among the texts of the strongest pair.
    """
    units = len(explanation.units)
    rows = np.ones((2, units), dtype=bool)
    rows[0] = False
    unit = int(np.abs(explanation.ig).argmax())
    rows[1, unit] = False
    known = units == 1 or (bool(strong) and unit in {strong[0].i, strong[0].j})
    return rows[:1] if known else rows


def _removed(game: DeletionGame, counted: CountedGame, rows: Coalitions) -> list[RemovedText]:
    """The texts of coalitions (n, U) and the model's answers to them."""
    return [
        RemovedText(tuple(np.flatnonzero(~row).tolist()), " / ".join(sides), label, probability, score, explained)
        for row, sides, (label, probability, explained), score in zip(
            rows, game.texts(rows), game.predictions(rows), counted(rows).tolist(), strict=True
        )
    ]


def _shown(
    game: DeletionGame, counted: CountedGame, strong: Sequence[_Strong], effects: Array
) -> tuple[RemovedPair, ...]:
    """Pairs with the three texts without their units."""
    if not strong:
        return ()
    texts = _removed(game, counted, _fours(strong, game.units)[:, 1:].reshape(-1, game.units))
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
