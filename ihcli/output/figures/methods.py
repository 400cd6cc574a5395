"""Methods side by side: words × methods and the strongest pairs × methods, each row scaled to its largest value."""

import io
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from ihcli.palette import LIGHT
from ihcli.results import Explanation
from ihcli.text_safety import clean_text

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
    words = np.array([one.explanation.ig for one in results])
    pairs = np.array([[one.explanation.ih[i, j] * one.explanation.pair_total for i, j, _ in chosen] for one in results])
    names = [str(one.source) for one in results]
    unit_names = [clean_text(unit.text) for unit in first.units]
    pair_names = [f"{unit_names[i]} · {unit_names[j]}" for i, j, _ in chosen]
    height = 1.4 + 0.32 * len(results)
    sheet = Figure(
        figsize=(3.0 + 0.55 * len(unit_names) + 0.9 * max(1, len(chosen)), height + 0.9), layout="constrained"
    )
    widths = [0.55 * len(unit_names), 0.9 * max(1, len(chosen))]
    left, right = sheet.subplots(1, 2, width_ratios=widths)
    for axes, values, labels, title in (
        (left, words, unit_names, "attributions"),
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
                axes.text(column, row, f"{values[row, column]:+.2f}", ha="center", va="center", fontsize=7)
    sheet.suptitle(clean_text(first.text), fontsize=10)
    return sheet


def _colours() -> ListedColormap:
    """The package's diverging colours, zero in the middle."""
    return ListedColormap([LIGHT.rgb(float(share)) for share in np.linspace(-1, 1, 257)], name="ih-light")


def draw(results: Sequence[Compared], kind: str) -> bytes:
    """The figure as the content of a file of a kind that matplotlib writes (png, svg, pdf)."""
    stream = io.BytesIO()
    figure(results).savefig(stream, format=kind, dpi=150)
    return stream.getvalue()
