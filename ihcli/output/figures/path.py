"""The score and the size of its second derivatives along the path: where the model changes its mind."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ihcli.errors import ResultError
from ihcli.output.figures import captions
from ihcli.output.figures.lettering import Lettering
from ihcli.output.figures.sheet import BODY, NOTE, Sheet
from ihcli.output.figures.style import Style, View
from ihcli.results import Array, Explanation
from ihcli.wording import number, percent

_WIDTH, _SCORE, _SIZE, _GAP = 6.0, 1.9, 1.7, 0.2
_DECADES = 1.5
"""The size of H is drawn on a logarithmic axis when it spans more decades than this."""
_EVEN = 16


def draw(explanation: Explanation, style: Style, view: View) -> Figure:
    """The path of one result; raises `ResultError` where the result holds none."""
    path = explanation.path
    if path is None or not len(path.t):
        message = "This result holds no path profile, so --kind path has nothing to draw. Explain the text again."
        raise ResultError(message)
    order = np.argsort(path.t, kind="stable")
    t, f, size = path.t[order], path.f[order], path.curvature[order]
    known = ~np.isnan(size)
    head = captions.heading(explanation, view)
    letters = Lettering.holding([head], style.families)
    left = 0.85
    height = _SCORE + _GAP + _SIZE + 0.5
    words = captions.words(explanation, view, head, _caption(explanation, t[known], size[known]))
    sheet = Sheet(left + _WIDTH + 0.1, height, words, style, letters)
    sheet.figure.set_label("Integrated Hessians: path")
    score = sheet.axes(left, 0.5 + _SIZE + _GAP, _WIDTH, _SCORE, "score")
    curvature = sheet.axes(left, 0.5, _WIDTH, _SIZE, "curvature")
    ink, colours = style.theme.ink, style.theme.colours
    score.plot(t, f, color=ink, linewidth=sheet.line(1.3), gid="f")
    score.axhline(explanation.f_baseline, color=style.theme.line, linewidth=sheet.line(0.8), zorder=0.5)
    score.axhline(explanation.f_input, color=style.theme.line, linewidth=sheet.line(0.8), zorder=0.5)
    low, high = float(np.nanmin(f)), float(np.nanmax(f))
    _frame(sheet, score, low, high, f"f(γ(t)), {explanation.target.output}")
    sheet.ticks(score, "y", *_nice(low, high), NOTE, color=style.theme.muted, length=2.5)
    curvature.plot(t[known], size[known], color=colours.rgb(-0.8), linewidth=sheet.line(1.0), gid="curvature")
    curvature.plot(
        t[known],
        size[known],
        linestyle="none",
        marker="o",
        markersize=sheet.line(2.6),
        color=colours.rgb(-0.8),
        gid="nodes",
    )
    _scale_size(sheet, curvature, size[known])
    for axes in (score, curvature):
        axes.vlines(
            t[known],
            0,
            0.035,
            transform=axes.get_xaxis_transform(),
            color=style.theme.muted,
            linewidth=sheet.line(0.5),
            gid="rug",
        )
    at = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    sheet.ticks(
        curvature,
        "x",
        at,
        ["0\nbaseline", "0.2", "0.4", "0.6", "0.8", "1\ntext"],
        NOTE,
        color=style.theme.muted,
        length=2.5,
    )
    sheet.write("t", sheet.body[0] + left + _WIDTH / 2, sheet.body[1] + 0.08, BODY, ha="center", va="bottom")
    return sheet.figure


def half_peak(t: Array, size: Array) -> float:
    """The share of the path on which the size of H is above half of its peak, linear between the nodes."""
    if len(t) < 2 or not size.max() > 0:  # noqa: PLR2004  (an interval has two ends)
        return math.nan
    level = size.max() / 2
    share = 0.0
    for width, a, b in zip(np.diff(t), size[:-1] - level, size[1:] - level, strict=True):
        if a >= 0 and b >= 0:
            share += width
        elif a > 0 or b > 0:
            share += width * max(a, b) / abs(a - b)
    return float(share)


def _frame(sheet: Sheet, axes: Axes, low: float, high: float, label: str) -> None:
    room = 0.08 * (high - low or 1.0)
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(low - room, high + room)
    for side in ("left", "bottom"):
        axes.spines[side].set(visible=True, color=sheet.theme.muted, linewidth=sheet.line(0.6))
    place = axes.get_position()
    x = sheet.body[0]
    centre = (place.y0 + place.y1) / 2
    font = sheet.letters.font(BODY * sheet.scale)
    text = sheet.figure.text(sheet.across(x), centre, label, fontproperties=font, color=sheet.theme.ink)
    text.set(rotation=90, ha="left", va="center", parse_math=False)


def _scale_size(sheet: Sheet, axes: Axes, size: Array) -> None:
    positive = size[size > 0]
    logarithmic = len(positive) > 0 and math.log10(positive.max() / positive.min()) > _DECADES
    top = float(size.max()) if len(size) else 1.0
    if logarithmic:
        low = math.floor(math.log10(positive.min()))
        high = math.log10(positive.max())
        _frame(sheet, axes, 0.0, top, "max |H(t)|")
        axes.set_yscale("log")
        axes.minorticks_off()
        axes.set_ylim(10.0**low / 1.3, 10.0 ** (high + 0.12 * (high - low)))
        step = max(1, math.ceil((high - low) / 5))
        at = [10.0**k for k in range(low, math.floor(high) + 1, step)]
        sheet.ticks(axes, "y", at, [_decade(value) for value in at], NOTE, color=sheet.theme.muted, length=2.5)
        axes.minorticks_off()
    else:
        _frame(sheet, axes, 0.0, top or 1.0, "max |H(t)|")
        sheet.ticks(axes, "y", *_nice(0.0, top or 1.0), NOTE, color=sheet.theme.muted, length=2.5)


def _decade(value: float) -> str:
    return f"{value:g}" if 1e-3 <= value < 1e5 else number(value, 1)  # noqa: PLR2004  (plain digits read best there)


def _nice(low: float, high: float) -> tuple[list[float], list[str]]:
    """Four to seven round numbers from `low` to `high`, and their labels."""
    span = high - low or abs(high) or 1.0
    step = 10.0 ** math.floor(math.log10(span / 4))
    step *= next(k for k in (1, 2, 5, 10) if span / (k * step) <= 6)  # noqa: PLR2004  (at most seven labels)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    decimals = max(0, -math.floor(math.log10(step)))
    at = [k * step for k in range(first, last + 1)]
    return at, [f"{value:.{decimals}f}".replace("-", "−") if abs(value) > step / 2 else "0" for value in at]


def _caption(explanation: Explanation, t: Array, size: Array) -> tuple[str, ...]:
    reading = ["Above: the explained score f on the straight path γ(t) from the baseline to the text."]
    reading.append(
        f"Below: the largest entry of H(t), which the interactions integrate; dots: the {len(t)} nodes used."
    )
    share = half_peak(t, size)
    if math.isfinite(share):
        peak, largest = float(t[int(np.argmax(size))]), number(float(size.max()))
        reading.append(
            f"H peaks at t = {peak:.3f} with {largest} and is above half of that on {percent(share)} of the path:"
        )
        reading.append(f"of {_EVEN} even steps, {number(_EVEN * share, 2)} fall there.")
    return (*captions.setting(explanation), " ".join(reading))
