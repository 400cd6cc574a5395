"""Which units and pairs a figure shows, and in which order."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ihcli.counting import counted
from ihcli.errors import UsageError
from ihcli.output.figures.style import View
from ihcli.results import Array, Explanation
from ihcli.wording import is_punctuation

MOST_UNITS = 100
"""A matrix of more units cannot be read: only the units of the strongest pairs are shown."""
CLUSTERED = "Units are reordered so that those that interact are neighbours."
_FAINT = 0.02
"""Single pairs below this share of the strongest are drawn only when `top` asks for them."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The units that a figure shows."""

    units: tuple[int, ...]
    """Positions in the order shown."""
    notes: tuple[str, ...]
    """Sentences about what is left out or reordered."""


def select(explanation: Explanation, view: View, *, matrix: bool = True) -> Selection:
    """The units whose pairs `view` shows; a figure without a `matrix` keeps the text as it is."""
    shown = list(range(len(explanation.units)))
    if view.hide_punctuation:
        shown = [u for u in shown if not is_punctuation(explanation.units[u])] or shown
    notes = []
    if len(shown) < len(explanation.units):
        marks = len(explanation.units) - len(shown)
        hidden = counted(marks, "unit of punctuation is", "units of punctuation are")
        notes.append(
            f"{hidden} hidden." if matrix else f"Pairs with {counted(marks, 'unit')} of punctuation are left out."
        )
    if matrix and len(shown) > MOST_UNITS:
        notes.append(fewer(len(shown)))
        shown = heaviest(explanation.ih, shown)
    if view.cluster and matrix:
        shown = clustered(explanation.ih, shown)
        notes.append(CLUSTERED)
    return Selection(tuple(shown), tuple(notes))


def strongest(explanation: Explanation, units: tuple[int, ...], count: int | None) -> list[tuple[int, int, float]]:
    """The strongest `count` pairs among `units`, all of them for None; pairs whose entry is zero are left out."""
    if count is not None and count < 1:
        message = f"--top {count} shows nothing. Give 1 or more."
        raise UsageError(message)
    allowed = set(units)
    return [(i, j, v) for i, j, v in explanation.pairs() if v != 0 and {i, j} <= allowed][:count]


def drawn_pairs(
    explanation: Explanation, units: tuple[int, ...], view: View, most: int
) -> list[tuple[int, int, float]]:
    """The pairs that are drawn one by one: `view.top`, or `most` without those far weaker than the strongest."""
    if view.top is not None:
        return strongest(explanation, units, view.top)
    pairs = strongest(explanation, units, most)
    return [pair for pair in pairs if abs(pair[2]) >= _FAINT * abs(pairs[0][2])]


def blanked(explanation: Explanation, units: tuple[int, ...], top: int | None) -> Array:
    """The shown block of Γ (U, U) with all but the `top` strongest pairs zero; the diagonal and NaN stay."""
    matrix = np.array(explanation.ih)
    if top is not None:
        kept = np.eye(len(matrix), dtype=bool) | np.isnan(matrix)
        for i, j, _ in strongest(explanation, units, top):
            kept[i, j] = kept[j, i] = True
        matrix = np.where(kept, matrix, 0.0)
    return matrix[np.ix_(units, units)]


def strongest_of(strength: Array, count: int) -> NDArray[np.bool_]:
    """True on the diagonal and at both entries of the `count` strongest pairs of a symmetric matrix (U, U)."""
    rows, columns = np.triu_indices(len(strength), k=1)
    values = np.nan_to_num(strength[rows, columns], nan=-1.0)
    best = np.argsort(-values, kind="stable")[:count]
    kept = np.eye(len(strength), dtype=bool)
    kept[rows[best], columns[best]] = kept[columns[best], rows[best]] = True
    return kept


def off_diagonal(matrix: Array) -> Array:
    """The known entries of a square matrix outside its diagonal, flat."""
    values = matrix[~np.eye(len(matrix), dtype=bool)]
    return values[~np.isnan(values)]


def heaviest(matrix: Array, units: list[int]) -> list[int]:
    """Those of `units`, in their order, that the strongest pairs join, at most `MOST_UNITS`."""
    strength = np.abs(np.nan_to_num(matrix[np.ix_(units, units)]))
    rows, columns = np.triu_indices(len(units), k=1)
    kept: set[int] = set()
    for pair in np.argsort(-strength[rows, columns], kind="stable"):
        more = kept | {int(rows[pair]), int(columns[pair])}
        if len(more) > MOST_UNITS:
            break
        kept = more
    return [units[k] for k in sorted(kept)]


def fewer(units: int) -> str:
    """The note that says what `heaviest` leaves out."""
    return f"Only the units of the strongest pairs are shown, at most {MOST_UNITS} of {units}; the tables hold all."


def clustered(matrix: Array, units: list[int]) -> list[int]:
    """`units` reordered by average-linkage clustering: the two groups with the largest mean |Γ| are joined first.

    Of two joined groups, the one that starts earlier in the text comes first.
    """
    strength = np.abs(np.nan_to_num(matrix[np.ix_(units, units)]))
    groups = [[k] for k in range(len(units))]
    while len(groups) > 1:
        pairs = [(a, b) for a in range(len(groups)) for b in range(a + 1, len(groups))]
        a, b = max(pairs, key=lambda pair: float(strength[np.ix_(groups[pair[0]], groups[pair[1]])].mean()))
        joined = [unit for group in sorted((groups[a], groups[b]), key=min) for unit in group]
        groups = [*(group for k, group in enumerate(groups) if k not in {a, b}), joined]
    return [units[k] for k in groups[0]]
