"""The work-precision plot: error against products of a Hessian and a vector, both logarithmic, a panel a text."""

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ihcli.benchmarks.side_by_side import GOAL, Bench, Text
from ihcli.counting import counted

LOOKS = {
    "article": ("the article's code, 50 steps", "#7a7a7a", "X"),
    "paper": ("the paper's grid, plain mean", "#c8562b", "s"),
    "product-grid": ("Gauss–Legendre product grid", "#8a5aa8", "^"),
    "ours": ("ih, embeddings", "#1f6fb2", "o"),
    "value-zeroing": ("ih, value zeroing (a matrix of its own)", "#2e8b57", "D"),
}
"""Label, colour, marker."""


def work_precision(bench: Bench) -> Figure:
    """One panel for each text, with shared limits and the goal as a line."""
    figure = Figure(figsize=(3.6 * len(bench.texts) + 0.6, 4.2), layout="constrained")
    panels = figure.subplots(1, len(bench.texts), sharex=True, sharey=True, squeeze=False)[0]
    for axes, text in zip(panels, bench.texts, strict=True):
        _panel(axes, text)
    panels[0].set_ylabel("largest error of an entry / largest entry")
    figure.suptitle(
        f"{bench.architecture} ({bench.model}), {bench.dtype}, {bench.environment.device}", fontsize=9, color="#444444"
    )
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=8)
    return figure


def _panel(axes: Axes, text: Text) -> None:
    for name, (label, colour, marker) in LOOKS.items():
        runs = [m for m in text.measurements if m.procedure == name and not math.isnan(m.error)]
        axes.plot(
            [m.products for m in runs], [m.error for m in runs], marker=marker, color=colour, label=label, markersize=6,
            linewidth=1.4 if name == "ours" else 1.0,
        )  # fmt: skip
    axes.axhline(GOAL, color="#999999", linewidth=0.8, linestyle="--")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.grid(visible=True, which="major", color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    words = text.text if len(text.text) <= 44 else f"{text.text[:42]}…"  # noqa: PLR2004  (a panel's width in letters)
    axes.set_title(f"{words}\n{counted(text.units, 'unit')}", fontsize=8.5)
    axes.set_xlabel("Hessian–vector products", fontsize=8.5)
    axes.tick_params(labelsize=8)
