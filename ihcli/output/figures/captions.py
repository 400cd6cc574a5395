"""Heading, caption and warning of a figure, and the alternative text of its file.

Every caption says what was explained, against which baseline, and whether the result converged: in two lines, or in
full. How to read the drawing, the `Reading`, is the part of the caption that each kind of figure gives.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ihcli.counting import counted
from ihcli.output.figures.legend import LegendItem, Line, Note, Ramp
from ihcli.output.figures.scale import Scale
from ihcli.output.figures.sheet import Words
from ihcli.output.figures.style import Theme, View
from ihcli.results import Explanation
from ihcli.wording import (
    MINUS,
    baseline,
    by_removal_short,
    certificate,
    direction,
    meaning_of_one,
    method_words,
    names,
    number,
    percent,
    prediction,
    setting,
    shorten,
    target,
)

SINGLE = "A single unit has no interaction."
_LONGEST_MODEL = 48
_WEAK = 0.1
"""The weak line of a legend, as a share of the strongest."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How to read a drawing."""

    short: str
    """In about a line, for the short caption."""
    full: str
    notes: Sequence[str] = ()
    """What is left out or reordered, said in both captions."""
    legend: tuple[LegendItem, ...] = ()
    """Below the drawing, with and without a caption."""


def heading(explanation: Explanation, view: View) -> str:
    """The text that was explained, or the heading that was asked for."""
    if view.heading is not None:
        return view.heading
    pair = "" if explanation.text_pair is None else f" │ {explanation.text_pair}"
    return f"{explanation.text}{pair}"


def words(explanation: Explanation, view: View, head: str, reading: Reading) -> Words:
    """Heading, caption, warning and legend of a figure of one result."""
    caption: tuple[str, ...] = ()
    if view.caption == "short":
        lines = [short_setting(explanation), f"{reading.short} {converged(explanation)}", " ".join(reading.notes)]
        caption = (*lines, *by_removal(explanation, short=True))
    elif view.caption == "full":
        caption = (*full_setting(explanation), *by_removal(explanation), " ".join([reading.full, *reading.notes]))
    return Words(head, caption, warning(explanation), reading.legend)


def short_setting(explanation: Explanation) -> str:
    """What was explained and predicted, in about a line."""
    start, end = number(explanation.f_baseline), number(explanation.f_input)
    return (
        f"{prediction(explanation)}; f = {target(explanation)}: {start} at baseline {baseline(explanation)}, "
        f"{end} at the text."
    )


def full_setting(explanation: Explanation) -> tuple[str, str]:
    """Prediction, explained score, baseline, model; and the certificate."""
    run = f"Prediction: {prediction(explanation)}. Explained: {setting(explanation)}. Model: {model(explanation)}."
    return run, " ".join(certificate(explanation))


def by_removal(explanation: Explanation, *, short: bool = False) -> tuple[str, ...]:
    """The check by removal in words, if there was one: what was recorded, or the short form of a caption."""
    removal = explanation.removal
    if removal is None:
        return ()
    said = by_removal_short(explanation, removal) if short and removal.nothing is not None else removal.sentence
    return (said.replace(" %", "\u00a0%"),)


def converged(explanation: Explanation) -> str:
    """A sentence that says whether the result converged."""
    tolerance = percent(explanation.certificate.tolerance)
    return f"Converged to {tolerance}." if explanation.converged else f"Not converged to {tolerance}."


def warning(explanation: Explanation) -> str | None:
    """The line above the drawing of a result that did not converge."""
    return None if explanation.converged else certificate(explanation)[0]


def count_of_pairs(explanation: Explanation, drawn: int) -> str:
    """A sentence that says how many of the pairs are drawn, or why none is."""
    total = sum(value != 0 for *_, value in explanation.pairs())
    if not drawn:
        return nothing(explanation) if not total else "No pair is shown."
    if drawn == 1:
        return "The only pair." if total == 1 else f"The strongest of {total} pairs."
    return f"The {drawn} strongest of {total} pairs." if drawn < total else f"All {drawn} pairs."


def nothing(explanation: Explanation) -> str:
    """Why no interaction is drawn."""
    words = method_words(explanation)
    if not words.has_pairs:
        return f"{words.attributions} has no interactions."
    return SINGLE if len(explanation.units) == 1 else "Every interaction is zero."


def signs(theme: Theme) -> str:
    """How a theme for grey printing marks negative cells."""
    return f"Cells with {MINUS} are negative." if theme.signs else ""


def attribution_ramp(explanation: Explanation, theme: Theme) -> tuple[LegendItem, ...]:
    """The colours of words: their attributions, and what each sign speaks for; nothing where all are zero."""
    if not explanation.ig.any():
        return ()
    positive, negative = (shorten(text, 40) for text in direction(explanation))
    return (Ramp("attribution", Scale.of(explanation.ig.tolist(), theme), negative, positive),)


def line_samples(explanation: Explanation, scale: Scale, points: Callable[[float], float]) -> tuple[LegendItem, ...]:
    """A strong positive line and a weak negative one; `points` gives the width of a share of the strongest."""
    symbol = method_words(explanation).entry
    shares = (1.0, -_WEAK)
    return tuple(
        Line(
            f"{symbol} = {number(share * scale.limit, 2, plus=True)}",
            scale.stroke(share * scale.limit),
            points(abs(share)),
            dashes(share, scale.theme),
        )
        for share in shares
    )


def dashes(value: float, theme: Theme) -> Any:
    """The style of a line: those of negative numbers are broken where the theme is for grey printing."""
    return (0, (4, 1.5)) if theme.signs and value < 0 else "solid"


def unit_of_f(explanation: Explanation) -> tuple[LegendItem, ...]:
    """What a contribution of +1 means for the probability, where f has one."""
    meaning = meaning_of_one(explanation)
    return () if meaning is None else (Note(meaning),)


def model(explanation: Explanation) -> str:
    """The model's name and revision, cut to what identifies it."""
    info = explanation.model
    name = info.name if len(info.name) <= _LONGEST_MODEL else "…" + info.name[1 - _LONGEST_MODEL :]
    return name if info.revision is None else f"{name} at {info.revision[:12]}"


_DESCRIPTIONS = {
    "heatmap": "Heatmap of the pairwise interactions",
    "arcs": "Sentence with arcs for the strongest pairwise interactions",
    "text": "Text shaded by its attributions, each unit underlined in the colour of its strongest interaction",
    "bars": "Bars of what the strongest pairs, the other pairs and the diagonal add, and their sum",
    "network": "Circular network of the strongest pairwise interactions",
    "baseline-to-text": "The score and the largest second derivative along the path from the baseline to the text",
    "compare": "Two heatmaps of pairwise interactions and their difference",
}


def alternative_text(kind: str, explanations: Sequence[Explanation], view: View) -> str:
    """The figure in words: what it is, what it says, and its strongest pairs."""
    parts = []
    for explanation in explanations:
        units = names(explanation.units)
        top = "; ".join(
            f"{units[i]} and {units[j]} {number(v, plus=True)}" for i, j, v in explanation.pairs()[:5] if v != 0
        )
        parts.append(
            f"“{heading(explanation, view)}” ({counted(len(units), 'unit')}). Prediction "
            f"{prediction(explanation)}; explained is the {target(explanation)}. "
            f"Strongest pairs: {top or 'none, every interaction is zero'}. " + " ".join(certificate(explanation))
        )
    return f"{_DESCRIPTIONS[kind]} of " + " Compared with ".join(parts)
