"""Methods side by side: words × methods and the strongest pairs × methods, each row scaled to its largest value."""

from collections.abc import Sequence
from typing import Protocol

import matplotlib as mpl
import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from ihcli.output.figures.lettering import Lettering
from ihcli.output.figures.notebook_figure import NotebookFigure
from ihcli.output.figures.style import Style
from ihcli.palette import LIGHT
from ihcli.results import Explanation
from ihcli.text_safety import clean_text
from ihcli.wording import names as unit_labels
from ihcli.wording import number, shorten

DPI = 150
UNITS = 40
"""Units of the first method that are drawn, those with the largest attributions."""
_NAME, _HEADING = 16, 90
PAIRS = 8
"""Strongest pairs of the first method that are drawn."""


class Compared(Protocol):
    """An explanation and the name of its source."""

    @property
    def source(self) -> object:
        """What the row is called."""

    @property
    def explanation(self) -> Explanation:
        """The explanation."""


def figure(results: Sequence[Compared]) -> Figure:
    """Two panels of cells; colours are relative to each method's largest value, so that methods can be compared."""
    first = results[0].explanation
    chosen = first.pairs()[:PAIRS]
    shown = np.sort(np.argsort(-np.abs(first.ig), kind="stable")[:UNITS])
    words = np.array([one.explanation.ig[shown] for one in results])
    pairs = np.array([[one.explanation.ih[i, j] * one.explanation.pair_total for i, j, _ in chosen] for one in results])
    unit_names = unit_labels(first.units, _NAME)
    heading = shorten(clean_text(first.text), _HEADING)
    letters = Lettering.holding([heading, *unit_names, *(str(one.source) for one in results)], Style().families)
    names = [letters.legible(str(one.source)) for one in results]
    unit_names = [letters.legible(name) for name in unit_names]
    pair_names = [f"{unit_names[i]} · {unit_names[j]}" for i, j, _ in chosen]
    few = "" if len(shown) == len(unit_names) else f", the {len(shown)} strongest of {len(unit_names)} units"
    widths = [0.55 * len(shown), 0.9 * max(1, len(chosen))]
    with mpl.rc_context({"font.family": list(letters.families), "text.parse_math": False}):
        sheet = NotebookFigure(figsize=(3.0 + sum(widths), 2.3 + 0.32 * len(results)), layout="constrained")
        sheet.set_label("Methods side by side")
        left, right = sheet.subplots(1, 2, width_ratios=widths)
        for axes, values, labels, title in (
            (left, words, [unit_names[u] for u in shown], f"attributions{few}"),
            (right, pairs, pair_names, "what a pair adds in total"),
        ):
            if not len(labels):
                axes.set_axis_off()
                continue
            scale = np.nanmax(np.abs(values), axis=1, keepdims=True, initial=1e-12)
            axes.imshow(values / scale, cmap=_colours(), vmin=-1, vmax=1, aspect="auto")
            axes.set_xticks(range(len(labels)), labels, rotation=40, ha="right", fontsize=8)
            axes.set_yticks(range(len(names)), names if axes is left else [""] * len(names), fontsize=8)
            axes.set_title(title, fontsize=9)
            for row, column in np.ndindex(*values.shape):
                if np.isfinite(values[row, column]):
                    written = number(float(values[row, column]), 2, plus=True)
                    axes.text(column, row, written, ha="center", va="center", fontsize=7)
        sheet.suptitle(letters.legible(heading), fontsize=10)
    return sheet


def _colours() -> ListedColormap:
    """The package's diverging colours, zero in the middle."""
    return ListedColormap([LIGHT.rgb(float(share)) for share in np.linspace(-1, 1, 257)], name="ih-light")


def alternative_text(results: Sequence[Compared]) -> str:
    """The figure in words, for the metadata of its file."""
    first = results[0].explanation
    pairs = "; ".join(f"{first.units[i].text} and {first.units[j].text}" for i, j, _ in first.pairs()[:PAIRS])
    return (
        f"Attributions and strongest pairs of “{first.text}” by {', '.join(str(one.source) for one in results)}. "
        f"Pairs: {pairs or 'none'}."
    )
