"""One explanation in sentences: what was predicted and explained, what the matrix sums to, how exact it is."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ihcli.results import Explanation
from ihcli.wording.method_names import method_words
from ihcli.wording.number_format import UNKNOWN, Digits, digits_together, number, percent
from ihcli.wording.unit_names import shorten

HALF = 0.5
"""Labels that do not exclude each other are predicted from this probability on."""
_MOST_LABELS = 3
CANCELLING = 10.0
"""Entries are said to cancel when Σ|Γ| is more than so many times |f(x) − f(x′)|."""


@dataclass(frozen=True, slots=True)
class Contributions:
    """What the known entries of the matrix sum to, in units of f."""

    pairs: float
    """What all pairs add: Σ_{u≠v} Γ_uv for Integrated Hessians, the sum of one entry a pair for other methods."""
    diagonal: float
    """Σ_u Γ_uu."""
    magnitude: float
    """The same sums of magnitudes: Σ_uv |Γ_uv| for Integrated Hessians."""
    difference: float
    """f(x) − f(x′)."""
    complete: bool
    """Whether every entry is known."""

    @property
    def total(self) -> float:
        """Pairs and diagonal."""
        return self.pairs + self.diagonal


def prediction(explanation: Explanation) -> str:
    """The predicted label with its probability; of a regressor the output and its value.

    Of labels that do not exclude each other all are named whose probability is at least one half.
    """
    predicted = explanation.prediction
    value = predicted.probabilities.get(predicted.label)
    if value is None:
        return predicted.label
    count = len(predicted.probabilities)
    if predicted.are_values:
        among = f" (the largest of {count} outputs)" if count > 1 else ""
        return f"{predicted.label} = {number(value)}{among}"
    if predicted.problem == "multi_label":
        return _labels_that_hold(predicted.probabilities)
    return f"{predicted.label} (p = {value:.3f})"


def _labels_that_hold(probabilities: Mapping[str, float]) -> str:
    """The labels of at least one half, most probable first; the most probable one where none reaches it."""
    ranked = sorted(probabilities.items(), key=lambda one: -one[1])
    named = [f"{label} (p = {value:.3f})" for label, value in ranked if value >= HALF]
    if not named:
        label, value = ranked[0]
        return f"none of {len(ranked)} labels (the most probable: {label}, p = {value:.3f})"
    more = f" and {len(named) - _MOST_LABELS} more" if len(named) > _MOST_LABELS else ""
    return ", ".join(named[:_MOST_LABELS]) + more


def target(explanation: Explanation) -> str:
    """The explained scalar f, for example `logit of POSITIVE minus that of NEGATIVE`."""
    f = explanation.target
    against = "" if f.against is None else f" minus that of {f.against}"
    return f"{'value' if explanation.prediction.are_values else f.output} of {f.label}{against}"


def baseline(explanation: Explanation) -> str:
    """What the text is compared with."""
    given = explanation.baseline
    kind = str(given.get("kind", UNKNOWN))
    if kind == "text" and given.get("text") is not None:
        return f"the text “{shorten(str(given['text']), 40)}”"
    if kind == "texts":
        count = given.get("count", given.get("texts"))
        count = len(count) if isinstance(count, list | tuple) else count
        return f"mean over {count} texts" if isinstance(count, int) else "mean over a set of texts"
    if kind == "zero":
        return "zero embeddings"
    token = given.get("token")
    return f"{kind} {token}" if isinstance(token, str) else kind


def setting(explanation: Explanation) -> str:
    """The explained scalar with its value at the baseline and at the text."""
    return (
        f"f = {target(explanation)}: {number(explanation.f_baseline)} at the baseline {baseline(explanation)}, "
        f"{number(explanation.f_input)} at the text"
    )


def direction(explanation: Explanation) -> tuple[str, str]:
    """What a positive contribution does and what a negative one does, as `speaks for POSITIVE` or `raises score`."""
    f = explanation.target
    if explanation.prediction.are_values:
        value = f.label if f.against is None else f"{f.label} − {f.against}"
        return f"raises {value}", f"lowers {value}"
    if f.against is not None:
        return f"speaks for {f.label}", f"speaks for {f.against}"
    return f"speaks for {f.label}", f"speaks against {f.label}"


def meaning_of_one(explanation: Explanation) -> str | None:
    """What a contribution of +1 to f does to the label's probability, None where f has no probability.

    A logit z of a softmax or a sigmoid, or the log-odds of its label, raised by 1 takes p to e·p / (e·p + 1 − p).
    """
    f = explanation.target
    if explanation.prediction.are_values:
        return None
    if f.against is not None and explanation.prediction.problem == "multi_label":
        odds = f"+1 {f.output} multiplies the ratio of the odds of {f.label} and {f.against} by {math.e:.2f}"
        return None if f.output == "probability" else odds
    if f.against is not None:
        odds = f"+1 logit multiplies the odds of {f.label} against {f.against} by {math.e:.2f}"
        return odds if f.output == "logit" else None
    if f.output == "probability":
        return "+0.01 is one percentage point"
    half = _raised(0.5)
    meaning = f"+1 {f.output} takes the probability of {f.label} from 50 % to {100 * half:.0f} %"
    here = explanation.prediction.probabilities.get(f.label)
    if here is None or not 0 < here < 1:
        return meaning
    return f"{meaning}; at this text from {_probability(here)} to {_probability(_raised(here))}"


def _raised(probability: float) -> float:
    """The probability after its logit has grown by 1."""
    return math.e * probability / (math.e * probability + 1 - probability)


def _probability(value: float) -> str:
    """A probability as a percentage that reads neither 0 nor 100 when it is not."""
    near = min(value, 1 - value)
    decimals = 0 if near >= 0.05 else min(6, -math.floor(math.log10(near)) - 1)  # noqa: PLR2004  (5 % to 95 %)
    return f"{100 * value:.{decimals}f} %"


def largest(explanation: Explanation) -> float:
    """The largest |Γ_uv| of the known entries, 0 when there are none: the tolerance is a share of it."""
    known = np.abs(explanation.ih[~np.isnan(explanation.ih)])
    return float(known.max(initial=0.0))


def digits_of(explanation: Explanation) -> tuple[Digits, Digits]:
    """How attributions and interactions are written: in one unit, so that they can be read together."""
    off_diagonal = explanation.ih[~np.eye(len(explanation.units), dtype=bool)]
    attributions, interactions = digits_together(explanation.ig.tolist(), off_diagonal.tolist())
    return attributions, interactions


def contributions(explanation: Explanation) -> Contributions:
    """What the known entries of Γ sum to."""
    diagonal = explanation.ih.diagonal()
    pairs = explanation.pair_total * explanation.ih[np.triu_indices(len(explanation.units), k=1)]
    return Contributions(
        pairs=float(np.nansum(pairs)),
        diagonal=float(np.nansum(diagonal)),
        magnitude=float(np.nansum(np.abs(pairs)) + np.nansum(np.abs(diagonal))),
        difference=explanation.f_input - explanation.f_baseline,
        complete=not bool(np.isnan(explanation.ih).any()),
    )


def entries_cancel(explanation: Explanation) -> str | None:
    """A sentence where entries of both signs nearly cancel in the sum, None where they do not."""
    sums = contributions(explanation)
    difference = abs(sums.difference)
    adds_up = method_words(explanation).adds_up
    if not adds_up or sums.magnitude <= CANCELLING * difference or not sums.magnitude:
        return None
    times = f"{number(sums.magnitude / difference, 2)} times |f(x) − f(x′)|" if difference else "not zero"
    symbol = "Σ|Γ|" if explanation.method == "ih" else "the sum of their magnitudes"
    return f"Entries of both signs nearly cancel: {symbol} is {times}."


def certificate(explanation: Explanation) -> list[str]:
    """How exact the result is, in sentences: whether it converged, what the entries sum to, what smoothing changed."""
    sentences = [_verdict(explanation), *_completeness(explanation)]
    c = explanation.certificate
    if c.surrogate_gap is not None:
        label = "; the label changed" if c.surrogate is not None and c.surrogate.label_changed else ""
        sentences.append(f"Smoothing the model's kinks changed f(x) − f(x′) by {number(c.surrogate_gap)}{label}.")
    return sentences


def _verdict(explanation: Explanation) -> str:
    c, scale = explanation.certificate, largest(explanation)
    share = percent if scale else number
    evaluations = explanation.quadrature.evaluations
    if c.standard_error == 0 and c.converged:
        return f"Exact: all {evaluations} coalitions of units that the method asks for were evaluated."
    row, entry = share(c.row_gap / (scale or 1.0)), share(c.quadrature_error / (scale or 1.0))
    of = " of the largest entry" if scale else ""
    verdict = "Converged to" if c.converged else "NOT CONVERGED to"
    entry = "unknown" if entry in {UNKNOWN, "∞"} else entry
    if c.standard_error is not None:
        return (
            f"{verdict} {percent(c.tolerance)}: the largest 95 % error of an entry is {entry}{of}, from {evaluations} "
            "coalitions of units."
        )
    return (
        f"{verdict} {percent(c.tolerance)}: the largest error of a row is {row}{of}, "
        f"the largest estimated error of an entry is {entry}."
    )


def _completeness(explanation: Explanation) -> list[str]:
    """What the entries sum to beside f(x) − f(x′); nothing where some are not known."""
    if not method_words(explanation).adds_up:
        whose = f"the formulation {explanation.quadrature.formulation}"
        whose = whose if explanation.method == "ih" else f"the method {explanation.method}"
        return [f"In {whose} the entries do not sum to f(x) − f(x′)."]
    sums = contributions(explanation)
    gap = explanation.certificate.completeness_gap
    if not sums.complete or math.isnan(gap):
        return []
    scale = largest(explanation)
    share = f"{percent(gap / scale)} of the largest entry" if scale else number(gap)
    shown = _as_sum((sums.pairs, sums.diagonal, sums.total, sums.difference))
    terms = "The only entry is"
    if len(explanation.units) > 1:
        terms = f"The pairs add {shown[0]} and the diagonal {shown[1]}, together"
    return [f"{terms} {shown[2]}; f(x) − f(x′) is {shown[3]} (a gap of {share})."]


def _as_sum(terms: tuple[float, ...]) -> list[str]:
    """Terms of a sum to one decimal place, fine enough for the smallest of them down to a thousandth of the largest."""
    [whole] = digits_together(terms)
    smallest = min((abs(term) for term in terms if term), default=whole.limit)
    digits = Digits(max(smallest, 1e-3 * whole.limit), whole.exponent)
    return [digits.label(term, plus=True) + digits.power for term in terms]
