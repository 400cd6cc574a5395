"""Which units and pairs a figure shows, and in which order."""

import math
from dataclasses import dataclass

import numpy as np

from ihcli.errors import UsageError
from ihcli.output.figures.style import View
from ihcli.results import Array, Explanation
from ihcli.wording import is_punctuation

MOST_UNITS = 100
"""A matrix of more units is not read on any page: it shows those of the strongest pairs."""
_FAINT = 0.02
"""Pairs below this share of the strongest are drawn only when asked for."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Positions of the units shown, in the order shown, and sentences that say what is not."""

    units: tuple[int, ...]
    notes: tuple[str, ...]


def select(explanation: Explanation, view: View, *, matrix: bool = True) -> Selection:
    """The units whose pairs `view` shows of one result; without a `matrix` the text keeps its order and its marks."""
    everything = range(len(explanation.units))
    shown = [u for u in everything if not (view.hide_punctuation and is_punctuation(explanation.units[u]))]
    shown = shown or list(everything)
    notes = []
    if len(shown) < len(explanation.units):
        marks = f"{len(explanation.units) - len(shown)} units of punctuation"
        notes.append(f"{marks} are hidden." if matrix else f"Pairs with {marks} are left out.")
    if matrix and len(shown) > MOST_UNITS:
        notes.append(fewer(len(shown)))
        shown = heaviest(explanation.ih, shown)
    if view.cluster and matrix:
        shown = clustered(explanation.ih, shown)
        notes.append("Units are reordered so that those that interact stand together.")
    return Selection(tuple(shown), tuple(notes))


def strongest(explanation: Explanation, units: tuple[int, ...], count: int | None) -> list[tuple[int, int, float]]:
    """The strongest `count` pairs among `units`, all of them for None; a pair of exactly zero is no pair."""
    if count is not None and count < 1:
        message = f"--top {count} shows nothing. Give 1 or more."
        raise UsageError(message)
    among = set(units)
    return [(i, j, v) for i, j, v in explanation.pairs() if v != 0 and i in among and j in among][:count]


def telling(explanation: Explanation, units: tuple[int, ...], view: View, most: int) -> list[tuple[int, int, float]]:
    """The pairs that a drawing of single pairs shows: `view.top`, or `most` without those far below the first."""
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
    """The note that goes with `heaviest`."""
    return f"Only the units of the strongest pairs are shown, at most {MOST_UNITS} of {units}; the tables hold all."


def clustered(matrix: Array, units: list[int]) -> list[int]:
    """`units` reordered by average-linkage clustering of |Γ|: two groups that interact most are joined first.

    Of two joined groups, the one that starts earlier in the text stands first, so that an order says as much of the
    text as it can.
    """
    strength = np.abs(np.nan_to_num(matrix[np.ix_(units, units)]))
    groups = [[k] for k in range(len(units))]
    while len(groups) > 1:
        best = (-math.inf, 0, 1)
        for a in range(len(groups)):
            for b in range(a + 1, len(groups)):
                mean = float(strength[np.ix_(groups[a], groups[b])].mean())
                best = max(best, (mean, -a, -b)) if best[0] != -math.inf else (mean, -a, -b)
        a, b = -best[1], -best[2]
        first, second = sorted((groups[a], groups[b]), key=min)
        groups = [group for k, group in enumerate(groups) if k not in {a, b}]
        groups.append(first + second)
    return [units[k] for k in groups[0]]
