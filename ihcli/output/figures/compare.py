"""Two results and their difference, side by side on one colour scale, matched by the offsets of their units."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from ihcli.errors import UsageError
from ihcli.output.figures import captions
from ihcli.output.figures.lettering import Lettering
from ihcli.output.figures.panel import BAR_GAP, LABEL_LENGTH, Panel, bar_width, draw_bar, measure
from ihcli.output.figures.scale import Scale
from ihcli.output.figures.selection import MOST_UNITS, clustered, fewer, heaviest, off_diagonal
from ihcli.output.figures.sheet import BODY, NOTE, Sheet, Words
from ihcli.output.figures.style import Style, View
from ihcli.results import Array, Explanation
from ihcli.wording import baseline, certificate, is_punctuation, number, prediction, shorten, target

_SPAN, _FINEST, _BETWEEN = 3.6, 0.12, 0.25


@dataclass(frozen=True, slots=True)
class Matched:
    """The units that both results have: their names and sides, and both matrices in the same order."""

    labels: list[str]
    sides: list[str]
    first: Array
    second: Array
    notes: tuple[str, ...]


def draw(first: Explanation, second: Explanation, style: Style, view: View) -> Figure:
    """First, second, and second minus first; raises `UsageError` where the two cannot be compared."""
    matched = match(first, second, view)
    difference = matched.second - matched.first
    matrices = (matched.first, matched.second, difference)
    scale = Scale.of(np.concatenate([off_diagonal(m) for m in matrices]).tolist(), style.theme)
    head = captions.heading(first, view)
    titles = _titles(first, second)
    letters = Lettering.holding([head, *matched.labels, *(t for pair in titles for t in pair)], style.families)
    labels = [letters.legible(label) or "␣" for label in matched.labels]
    grid = measure(labels, letters, _SPAN, _FINEST)
    pitch = max(grid.side, 1.7) + _BETWEEN
    details = [letters.wrap(letters.legible(detail), NOTE, pitch - 0.1, lines=3) for _, detail in titles]
    step = letters.height(NOTE)
    above = 0.06 + step * max(map(len, details))
    width = grid.left + 2 * pitch + grid.side + bar_width(scale, letters)
    words = Words(
        head, _caption(first, second, scale, view, matched.notes) if view.caption else (), _warning(first, second)
    )
    sheet = Sheet(width, grid.below + grid.side + above + letters.height(BODY), words, style, letters)
    sheet.figure.set_label("Integrated Hessians: comparison")
    for k, (matrix, (name, _)) in enumerate(zip(matrices, titles, strict=True)):
        left = grid.left + k * pitch
        axes = sheet.axes(left, grid.below, grid.side, grid.side, ("first", "second", "difference")[k])
        panel = Panel(sheet, axes, matrix, grid, scale, view.diagonal)
        panel.draw(labels, labels if k == 0 else [])
        panel.divide(matched.sides)
        x, y = sheet.body[0] + left, sheet.body[1] + grid.below + grid.side + above
        sheet.write(name, x, y, BODY, weight="bold", va="bottom").set_gid(f"title {k}")
        for row, line in enumerate(details[k], start=1):
            sheet.write(line, x, y - row * step, NOTE, color=style.theme.muted, va="bottom")
    corner = (grid.left + 2 * pitch + grid.side + BAR_GAP, grid.below)
    draw_bar(sheet, corner, min(grid.side, 4.0), scale, first.target.output)
    return sheet.figure


def match(first: Explanation, second: Explanation, view: View) -> Matched:
    """Match units by side and offsets; raises `UsageError` for different texts, outputs, or no common unit."""
    if (first.text, first.text_pair) != (second.text, second.text_pair):
        message = (
            f"--kind compare needs two results of one text; these explain “{shorten(first.text, 40)}” and "
            f"“{shorten(second.text, 40)}”. Use --kind heatmap for each."
        )
        raise UsageError(message)
    if first.target.output != second.target.output:
        message = (
            f"--kind compare needs one unit of f; these explain a {first.target.output} and a {second.target.output}. "
            "Explain both with the same --output."
        )
        raise UsageError(message)
    keys = [{(u.side, u.start, u.end): k for k, u in enumerate(e.units)} for e in (first, second)]
    common = [key for key in keys[0] if key in keys[1]]
    if not common:
        message = "--kind compare: the two results have no unit in common. Explain both with the same --units."
        raise UsageError(message)
    notes = []
    lost = len(keys[0]) + len(keys[1]) - 2 * len(common)
    if lost:
        notes.append(f"{lost} units that only one result has are left out.")
    if view.hide_punctuation:
        words = [key for key in common if not is_punctuation(first.units[keys[0][key]])]
        common = words or common
        notes.append("Punctuation is hidden.")
    rows = [[k[key] for key in common] for k in keys]
    blocks = [e.ih[np.ix_(row, row)] for e, row in zip((first, second), rows, strict=True)]
    order = list(range(len(common)))
    if len(order) > MOST_UNITS:
        notes.append(fewer(len(order)))
        order = heaviest(np.fmax(np.abs(blocks[0]), np.abs(blocks[1])), order)
    if view.cluster:
        order = clustered(np.abs(blocks[0]) + np.abs(blocks[1]), order)
        notes.append("Units are reordered so that those that interact stand together.")
    blocks = [block[np.ix_(order, order)] for block in blocks]
    if view.top is not None:
        kept = _strongest(np.fmax(np.abs(blocks[0]), np.abs(blocks[1])), view.top)
        blocks = [np.where(kept | np.isnan(block), block, 0.0) for block in blocks]
        notes.append(f"Only the {view.top} pairs strongest in either are shown; the others are left blank.")
    units = [first.units[rows[0][k]] for k in order]
    labels = [shorten(unit.text, LABEL_LENGTH) for unit in units]
    return Matched(labels, [unit.side for unit in units], blocks[0], blocks[1], tuple(notes))


def _strongest(strength: Array, count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """True on the diagonal and at both entries of the `count` strongest pairs."""
    rows, columns = np.triu_indices(len(strength), k=1)
    values = np.nan_to_num(strength[rows, columns], nan=-1.0)
    best = np.argsort(-values, kind="stable")[:count]
    kept = np.eye(len(strength), dtype=bool)
    kept[rows[best], columns[best]] = kept[columns[best], rows[best]] = True
    return kept


def _titles(first: Explanation, second: Explanation) -> list[tuple[str, str]]:
    """A name for each panel, and what tells the first two apart."""
    facts = [
        [captions.model(e), f"baseline {baseline(e)}", target(e), e.quadrature.formulation, prediction(e)]
        for e in (first, second)
    ]
    differ = [k for k in range(len(facts[0])) if facts[0][k] != facts[1][k]]
    details = ["; ".join(fact[k] for k in differ) or "same settings" for fact in facts]
    return [("A", details[0]), ("B", details[1]), ("B − A", "the difference")]


def _warning(first: Explanation, second: Explanation) -> str | None:
    bad = [f"{name} {certificate(e)[0]}" for name, e in (("A", first), ("B", second)) if not e.converged]
    return " ".join(bad) or None


def _caption(
    first: Explanation, second: Explanation, scale: Scale, view: View, notes: tuple[str, ...]
) -> tuple[str, ...]:
    lines = []
    for name, e in (("A", first), ("B", second)):
        run = captions.setting(e)
        lines.append(f"{name}: {run[0]} {run[1]}")
    shared = f"All three share one colour scale, ±{number(scale.limit)}, the largest entry off the diagonals."
    seen = off_diagonal(first.ih).any() or off_diagonal(second.ih).any()
    reading = [
        captions.CELL,
        shared if seen else captions.nothing(first),
        "Hatched: the diagonal, no interaction." if view.diagonal else "The diagonal, no interaction, is hidden.",
        captions.signs(scale.theme),
        *notes,
    ]
    return (*lines, " ".join(part for part in reading if part))
