"""The score on the way from the baseline to the text, and where on that way the units interact."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ihcli.errors import ResultError
from ihcli.output.figures import captions
from ihcli.output.figures.lettering import Lettering
from ihcli.output.figures.sheet import BODY, NOTE, Sheet
from ihcli.output.figures.style import Style, View
from ihcli.results import Array, Explanation, PathProfile
from ihcli.wording import number, percent

_WIDTH, _SCORE, _SIZE, _GAP = 6.0, 1.9, 1.7, 0.2
_LEFT, _BELOW = 0.85, 0.5
_DECADES = 1.5
"""The largest entry of H is drawn on a logarithmic axis when it spans more decades than this."""
_EVEN = 16
_POSITIONS = {0.0: "0\nbaseline", 0.2: "0.2", 0.4: "0.4", 0.6: "0.6", 0.8: "0.8", 1.0: "1\ntext"}
_LENGTH = 2.5
"""Length of tick marks, points."""


def draw(explanation: Explanation, style: Style, view: View) -> Figure:
    """The figure of one result; raises `ResultError` where the result holds no path profile."""
    profile = sorted_profile(explanation)
    known = ~np.isnan(profile.curvature)
    nodes, size = profile.t[known], profile.curvature[known]
    head = captions.heading(explanation, view)
    words = captions.words(explanation, view, head, _reading(nodes, size))
    letters = Lettering.holding(words.texts, style.families)
    sheet = Sheet(_LEFT + _WIDTH + 0.1, _SCORE + _GAP + _SIZE + _BELOW, words, style, letters)
    sheet.figure.set_label("Integrated Hessians: baseline to text")
    score = sheet.axes(_LEFT, _BELOW + _SIZE + _GAP, _WIDTH, _SCORE, "score")
    curvature = sheet.axes(_LEFT, _BELOW, _WIDTH, _SIZE, "curvature")
    _draw_score(sheet, score, explanation, profile)
    _draw_curvature(sheet, curvature, nodes, size)
    for axes in (score, curvature):
        rug = axes.vlines(nodes, 0, 0.035, transform=axes.get_xaxis_transform(), color=style.theme.muted)
        rug.set(linewidth=sheet.line(0.5), gid="rug")
    _ticks(sheet, curvature, "x", list(_POSITIONS), list(_POSITIONS.values()))
    sheet.write("t", sheet.body[0] + _LEFT + _WIDTH / 2, sheet.body[1] + 0.08, BODY, ha="center", va="bottom")
    return sheet.figure


def sorted_profile(explanation: Explanation) -> PathProfile:
    """The path profile in the order of t; raises `ResultError` where the result holds none."""
    path = explanation.path
    if path is None or not len(path.t):
        message = (
            "This result holds no path profile, so --kind baseline-to-text has nothing to draw. Results of removal "
            "methods have none; explain the text again with Integrated Hessians."
        )
        raise ResultError(message)
    order = np.argsort(path.t, kind="stable")
    return PathProfile(path.t[order], path.f[order], path.curvature[order])


def share_above_half(t: Array, size: Array) -> float:
    """The share of the path on which `size` is above half of its largest value, linear between the nodes."""
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


def _draw_score(sheet: Sheet, axes: Axes, explanation: Explanation, profile: PathProfile) -> None:
    """f along the path, with lines at f(x) and f(x′)."""
    axes.plot(profile.t, profile.f, color=sheet.theme.ink, linewidth=sheet.line(1.3), gid="f")
    for end in (explanation.f_baseline, explanation.f_input):
        axes.axhline(end, color=sheet.theme.line, linewidth=sheet.line(0.8), zorder=0.5)
    low, high = float(np.nanmin(profile.f)), float(np.nanmax(profile.f))
    _frame(sheet, axes, low, high, f"score f ({explanation.target.output})")
    _ticks(sheet, axes, "y", *_round_numbers(low, high))


def _draw_curvature(sheet: Sheet, axes: Axes, t: Array, size: Array) -> None:
    """The largest entry of H at each node, on a logarithmic axis where it spans decades."""
    colour = sheet.theme.colours.rgb(-0.8)
    axes.plot(t, size, color=colour, linewidth=sheet.line(1.0), gid="curvature")
    [dots] = axes.plot(t, size, linestyle="none", marker="o", color=colour, gid="nodes")
    dots.set_markersize(sheet.line(2.6))
    largest = float(size.max(initial=0.0)) or 1.0
    _frame(sheet, axes, 0.0, largest, "second derivative |H|")
    positive = size[size > 0]
    if not len(positive) or math.log10(positive.max() / positive.min()) <= _DECADES:
        _ticks(sheet, axes, "y", *_round_numbers(0.0, largest))
        return
    low, high = math.floor(math.log10(positive.min())), math.log10(positive.max())
    axes.set_yscale("log")
    axes.set_ylim(10.0**low / 1.3, 10.0 ** (high + 0.12 * (high - low)))
    step = max(1, math.ceil((high - low) / 5))
    at = [10.0**k for k in range(low, math.floor(high) + 1, step)]
    _ticks(sheet, axes, "y", at, [_power_of_ten(value) for value in at])
    axes.minorticks_off()


def _ticks(sheet: Sheet, axes: Axes, which: str, at: list[float], labels: list[str]) -> None:
    sheet.ticks(axes, "x" if which == "x" else "y", at, labels, NOTE, color=sheet.theme.muted, length=_LENGTH)


def _frame(sheet: Sheet, axes: Axes, low: float, high: float, label: str) -> None:
    """Limits, left and lower edge, and the name of the vertical axis."""
    room = 0.08 * (high - low or 1.0)
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(low - room, high + room)
    for side in ("left", "bottom"):
        axes.spines[side].set(visible=True, color=sheet.theme.muted, linewidth=sheet.line(0.6))
    place = axes.get_position()
    font = sheet.letters.font(BODY * sheet.scale)
    centre = (place.y0 + place.y1) / 2
    text = sheet.figure.text(sheet.across(sheet.body[0]), centre, label, fontproperties=font, color=sheet.theme.ink)
    text.set(rotation=90, ha="left", va="center", parse_math=False)


def _power_of_ten(value: float) -> str:
    """Plain digits where they are easily read."""
    return f"{value:g}" if 1e-3 <= value < 1e5 else number(value, 1)  # noqa: PLR2004  (easily read)


def _round_numbers(low: float, high: float) -> tuple[list[float], list[str]]:
    """Four to seven round numbers from `low` to `high`, and their labels."""
    span = high - low or abs(high) or 1.0
    step = 10.0 ** math.floor(math.log10(span / 4))
    step *= next(k for k in (1, 2, 5, 10) if span / (k * step) <= 6)  # noqa: PLR2004  (at most seven labels)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    decimals = max(0, -math.floor(math.log10(step)))
    at = [k * step for k in range(first, last + 1)]
    return at, [f"{value:.{decimals}f}".replace("-", "−") if abs(value) > step / 2 else "0" for value in at]


def _reading(t: Array, size: Array) -> captions.Reading:
    """How to read both axes, and how much of the path the interactions take."""
    full = (
        "Above: the explained score f on the straight path from the baseline (t = 0) to the text (t = 1). "
        f"Below: the largest second derivative H(t), over which the interactions integrate; dots: the {len(t)} nodes."
    )
    share = share_above_half(t, size)
    if math.isfinite(share):
        peak, largest = float(t[int(np.argmax(size))]), number(float(size.max()))
        full += (
            f" H is largest at t = {peak:.3f}, {largest}, and above half of that on {percent(share)} of the path: of "
            f"{_EVEN} even steps, {number(_EVEN * share, 2)} fall there."
        )
    return captions.Reading("Above: f on the way from baseline to text. Below: where on it units interact.", full)
