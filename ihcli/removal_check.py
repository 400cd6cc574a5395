"""The check by removal: what happens to the score when the words of an explanation are really removed.

Every explanation is held against the game of deletion: the text without some of its units, tokenized anew.  For the
strongest pairs the texts without one unit, without the other and without both are shown; over coalitions of uniform
size the score is predicted from the matrix (by the quadratic form of `ihcli.removal.judging`) and from the attributions
alone, and R² says how well.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ihcli.models.deletion import DeletionGame
from ihcli.removal.game import Array, CountedGame
from ihcli.removal.judging import integrated_hessians_form, judge, linear_form, scaled_fit
from ihcli.removal.multilinear import exact_interactions
from ihcli.removal.stratified import uniform_sizes
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
SAMPLED = 32
"""Coalitions of uniform size evaluated for more units, or two of each size and its complement where that is more."""


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
    counted = CountedGame(game, units)
    strong = _strong(explanation)
    effects = _effects(counted, units, strong)
    exact = units <= EXACT_UNITS
    count = coalitions(units)
    shown = [(own, effect) for own, effect in zip(strong, effects, strict=True)][:PAIRS]
    pairs = tuple(_shown(explanation, game, counted, own, effect) for own, effect in shown)
    r_squared = r_attributions = correlation = scaled = None
    if units > 1:
        sample = uniform_sizes(units, count, seed=0)
        v_none = float(counted(np.zeros((1, units), dtype=bool))[0])
        if explanation.method == "ih" and not np.isnan(explanation.ih).any():
            form, values = integrated_hessians_form(explanation.ih, v_none), counted(sample.coalitions)
            r_squared = judge(form, counted, sample).r_squared
            scaled = scaled_fit(values, form(sample.coalitions), sample.weights)
        r_attributions = judge(linear_form(explanation.ig, v_none), counted, sample).r_squared
        if exact:
            correlation = _correlation(explanation.ih, exact_interactions(counted, units).matrix)
    agreeing = sum(own.entry * effect > 0 for own, effect in zip(strong, effects, strict=True))
    return Removal(
        sentence=_sentence(explanation, pairs, agreeing, len(strong), r_squared, scaled),
        pairs=pairs,
        compared=len(strong),
        agreeing=agreeing,
        r_squared=r_squared,
        r_squared_attributions=r_attributions,
        correlation=correlation,
        exact=exact,
        evaluations=counted.evaluations,
        scale=None if scaled is None else scaled[0],
        r_squared_scaled=None if scaled is None else scaled[1],
    )


def coalitions(units: int) -> int:
    """How many coalitions of so many units the check evaluates."""
    return 2**units if units <= EXACT_UNITS else max(SAMPLED, 2 * (units // 2 + 1))


def _strong(explanation: Explanation) -> list[_Strong]:
    """The strongest pairs, those of a notable size, strongest first."""
    pairs = explanation.pairs()[:COMPARED]
    least = NOTABLE * abs(pairs[0][2]) if pairs else 0.0
    return [_Strong(i, j, value) for i, j, value in pairs if abs(value) >= least and value != 0]


def _effects(game: CountedGame, units: int, strong: Sequence[_Strong]) -> Array:
    """f(text) - f(without i) - f(without j) + f(without both) of each pair (n,)."""
    if not strong:
        return np.empty(0)
    rows = np.ones((len(strong), 4, units), dtype=bool)
    for row, own in zip(rows, strong, strict=True):
        row[1, own.i] = row[2, own.j] = row[3, own.i] = row[3, own.j] = False
    values = game(rows.reshape(-1, units)).reshape(-1, 4)
    return np.asarray(values @ np.array([1.0, -1.0, -1.0, 1.0]))


def _shown(
    explanation: Explanation, game: DeletionGame, counted: CountedGame, own: _Strong, effect: float
) -> RemovedPair:
    """A pair with the three texts without its units."""
    units = len(explanation.units)
    texts = []
    for removed in ((own.i,), (own.j,), (own.i, own.j)):
        row = np.ones((1, units), dtype=bool)
        row[0, list(removed)] = False
        label, probability = game.predictions(row)[0]
        text = " / ".join(game.texts(row)[0])
        texts.append(RemovedText(removed, text, label, probability, float(counted(row)[0])))
    return RemovedPair(own.i, own.j, own.entry, float(effect), *texts)


def _correlation(matrix: Array, other: Array) -> float | None:
    """Pearson's correlation of the entries of pairs; None where one of them is constant."""
    rows, columns = np.triu_indices(len(matrix), k=1)
    first, second = matrix[rows, columns], other[rows, columns]
    known = ~np.isnan(first)
    first, second = first[known], second[known]
    if len(first) < 2 or not first.std() > 0 or not second.std() > 0:  # noqa: PLR2004
        return None
    return float(np.corrcoef(first, second)[0, 1])


def _answer(explanation: Explanation, text: RemovedText) -> str:
    """The label of a cut text with its probability, or a regressor's value."""
    value = explanation.prediction.are_values
    return f"{text.label} = {text.probability:.2f}" if value else f"{text.label} ({text.probability:.2f})"


def _sentence(
    explanation: Explanation,
    pairs: Sequence[RemovedPair],
    agreeing: int,
    compared: int,
    r_squared: float | None,
    scaled: tuple[float, float] | None = None,
) -> str:
    """The finding in plain words."""
    parts = []
    if pairs:
        first = pairs[0]
        named = [explanation.units[place].text for place in (first.i, first.j)]
        parts += [
            f"Without {what}: {_answer(explanation, one)}."
            for what, one in (
                (named[0], first.without_first),
                (named[1], first.without_second),
                ("both", first.without_both),
            )
        ]
    if compared:
        noun = "the strongest pair" if compared == 1 else f"the {compared} strongest pairs"
        said = ("agrees" if agreeing else "disagrees") + " in sign with " + noun
        parts.append(
            f"Removing words {said}." if compared == 1
            else f"Removing words agrees in sign with {agreeing} of {noun}."
        )  # fmt: skip
    if r_squared is not None:
        parts.append(_explained(r_squared, scaled))
    return " ".join(parts)


def _explained(r_squared: float, scaled: tuple[float, float] | None) -> str:
    """How much of what removing words does the matrix explains, as it stands or by its pattern alone."""
    if scaled is not None and scaled[0] > 0 and scaled[1] >= max(r_squared + APART, APART):
        number = f"{r_squared:.2f}".replace("-", "−")
        size = "large" if scaled[0] < 1 else "small"
        return (
            f"Multiplied by {scaled[0]:.2g}, the matrix explains {100 * scaled[1]:.0f} % of what removing words does; "
            f"as it stands, its numbers are too {size} for that (R² {number})."
        )
    if r_squared > 0:
        return f"The matrix explains {100 * r_squared:.0f} % of what removing words does."
    return "The matrix does not predict what removing words does (R² below 0)."
