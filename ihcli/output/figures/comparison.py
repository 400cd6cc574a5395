"""Two results and their difference, side by side on one colour scale, matched by the offsets of their units."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from ihcli.counting import counted
from ihcli.errors import UsageError
from ihcli.output.figures import captions
from ihcli.output.figures.lettering import Lettering
from ihcli.output.figures.panel import BAR_GAP, LABEL_LENGTH, Panel, bar_width, draw_bar, measure
from ihcli.output.figures.scale import Scale
from ihcli.output.figures.selection import CLUSTERED, MOST_UNITS, clustered, fewer, heaviest, off_diagonal, strongest_of
from ihcli.output.figures.sheet import BODY, NOTE, Sheet, Words
from ihcli.output.figures.style import Style, View
from ihcli.results import Array, Explanation, Unit
from ihcli.wording import baseline, certificate, is_punctuation, method_words, number, prediction, shorten, target

_SPAN, _FINEST, _BETWEEN = 3.6, 0.12, 0.25


@dataclass(frozen=True, slots=True)
class MatchedMatrices:
    """The units that two results share, in one order, with both matrices (U, U) of them."""

    units: list[Unit]
    first: Array
    second: Array
    notes: tuple[str, ...]
    """Sentences about what is left out or reordered."""


def draw(first: Explanation, second: Explanation, style: Style, view: View) -> Figure:
    """First, second, and second minus first; raises `UsageError` where the two cannot be compared."""
    require_comparable(first, second)
    matched = match(first, second, view)
    matrices = (matched.first, matched.second, matched.second - matched.first)
    scale = Scale.of(np.concatenate([off_diagonal(m) for m in matrices]).tolist(), style.theme)
    words = Words(
        captions.heading(first, view), _caption(first, second, scale, view, matched.notes), _warning(first, second)
    )
    titles = _titles(first, second)
    written = [*words.texts, *(unit.text for unit in matched.units), *(part for title in titles for part in title)]
    letters = Lettering.holding(written, style.families)
    labels = [letters.legible(shorten(unit.text, LABEL_LENGTH)) or "␣" for unit in matched.units]
    grid = measure(labels, letters, _SPAN, _FINEST)
    pitch = max(grid.side, 1.7) + _BETWEEN
    details = [letters.wrap(letters.legible(detail), NOTE, pitch - 0.1, lines=3) for _, detail in titles]
    step = letters.height(NOTE)
    above = 0.06 + step * max(map(len, details))
    width = grid.left + 2 * pitch + grid.side + bar_width(scale, letters)
    sheet = Sheet(width, grid.below + grid.side + above + letters.height(BODY), words, style, letters)
    sheet.figure.set_label("Integrated Hessians: comparison")
    for k, (matrix, (name, _)) in enumerate(zip(matrices, titles, strict=True)):
        left = grid.left + k * pitch
        axes = sheet.axes(left, grid.below, grid.side, grid.side, ("first", "second", "difference")[k])
        panel = Panel(sheet, axes, matrix, grid, scale, view.diagonal)
        panel.draw(labels, labels if k == 0 else [])
        panel.divide([unit.side for unit in matched.units])
        x, y = sheet.body[0] + left, sheet.body[1] + grid.below + grid.side + above
        sheet.write(name, x, y, BODY, weight="bold", va="bottom").set_gid(f"title {k}")
        for row, line in enumerate(details[k], start=1):
            sheet.write(line, x, y - row * step, NOTE, color=style.theme.muted, va="bottom")
    corner = (grid.left + 2 * pitch + grid.side + BAR_GAP, grid.below)
    draw_bar(sheet, corner, min(grid.side, 4.0), scale, first.target.output)
    return sheet.figure


def require_comparable(first: Explanation, second: Explanation) -> None:
    """Raise `UsageError` for results of different texts or outputs."""
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


def match(first: Explanation, second: Explanation, view: View) -> MatchedMatrices:
    """The units with the same side and offsets in both results, as `view` shows them; raises `UsageError` for none."""
    places = [{(u.side, u.start, u.end): k for k, u in enumerate(e.units)} for e in (first, second)]
    common = [place for place in places[0] if place in places[1]]
    if not common:
        message = "--kind compare: the two results have no unit in common. Explain both with the same --units."
        raise UsageError(message)
    notes = []
    lost = len(places[0]) + len(places[1]) - 2 * len(common)
    if lost:
        notes.append(
            f"{counted(lost, 'unit that only one result has is', 'units that only one result has are')} left out."
        )
    if view.hide_punctuation:
        common = [place for place in common if not is_punctuation(first.units[places[0][place]])] or common
        notes.append("Punctuation is hidden.")
    rows = [[positions[place] for place in common] for positions in places]
    both = [e.ih[np.ix_(row, row)] for e, row in zip((first, second), rows, strict=True)]
    order, more = _order(both[0], both[1], view)
    both = [matrix[np.ix_(order, order)] for matrix in both]
    if view.top is not None:
        kept = strongest_of(np.fmax(np.abs(both[0]), np.abs(both[1])), view.top)
        both = [np.where(kept | np.isnan(matrix), matrix, 0.0) for matrix in both]
        more.append(f"Only the {view.top} pairs strongest in either are shown; the others are left blank.")
    units = [first.units[rows[0][k]] for k in order]
    return MatchedMatrices(units, both[0], both[1], (*notes, *more))


def _order(first: Array, second: Array, view: View) -> tuple[list[int], list[str]]:
    """Which rows are shown, in which order, and the notes about it."""
    order, notes = list(range(len(first))), []
    if len(order) > MOST_UNITS:
        notes.append(fewer(len(order)))
        order = heaviest(np.fmax(np.abs(first), np.abs(second)), order)
    if view.cluster:
        order = clustered(np.abs(first) + np.abs(second), order)
        notes.append(CLUSTERED)
    return order, notes


def _titles(first: Explanation, second: Explanation) -> list[tuple[str, str]]:
    """A name for each panel, and in which settings the two results differ."""
    settings = [
        [captions.model(e), f"baseline {baseline(e)}", target(e), e.quadrature.formulation, prediction(e)]
        for e in (first, second)
    ]
    differ = [k for k in range(len(settings[0])) if settings[0][k] != settings[1][k]]
    details = ["; ".join(parts[k] for k in differ) or "same settings" for parts in settings]
    return [("A", details[0]), ("B", details[1]), ("B − A", "the difference")]


def _warning(first: Explanation, second: Explanation) -> str | None:
    parts = [f"{name} {certificate(e)[0]}" for name, e in (("A", first), ("B", second)) if not e.converged]
    return " ".join(parts) or None


def _caption(
    first: Explanation, second: Explanation, scale: Scale, view: View, notes: tuple[str, ...]
) -> tuple[str, ...]:
    """As `view` asks: two lines, or both results in full and how to read the panels."""
    if view.caption == "none":
        return ()
    diagonal = "Grey: the diagonal, no interaction." if view.diagonal else "The diagonal is hidden."
    seen = off_diagonal(first.ih).any() or off_diagonal(second.ih).any()
    shared = f"All three share one colour scale, ±{number(scale.limit)}." if seen else captions.nothing(first)
    named = (("A", first), ("B", second))
    if view.caption == "short":
        settings = [f"{name}: {captions.short_setting(e)} {captions.converged(e)}" for name, e in named]
        return (*settings, " ".join([shared, diagonal, *notes]))
    settings = [f"{name}: {' '.join(captions.full_setting(e))}" for name, e in named]
    reading = [method_words(first).of_pair, shared, diagonal, captions.signs(scale.theme), *notes]
    return (*settings, " ".join(part for part in reading if part))
