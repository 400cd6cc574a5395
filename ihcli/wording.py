"""One explanation in words, the same on the terminal, under a figure and in the report."""

import math
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from ihcli.results import Explanation, Unit

MINUS = "−"
ABSENT = "?"
_FEW = 0.1
"""The share of a sum that may be missing, or be left of its terms, to be told as such."""
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True, slots=True)
class Digits:
    """How numbers in [-limit, limit] are written in a table: same decimals everywhere, a power of ten taken out."""

    limit: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Digits":
        """For the largest known magnitude of `values`; 1 when all are zero."""
        return cls(max((abs(v) for v in values if math.isfinite(v)), default=0.0) or 1.0)

    @property
    def exponent(self) -> int:
        """The power of ten taken out: a multiple of three, 0 for limits from 0.05 to 999."""
        if 0.05 <= self.limit < 1000:  # noqa: PLR2004  (numbers people read at a glance)
            return 0
        return 3 * math.floor(math.log10(self.limit) / 3)

    @property
    def power(self) -> str:
        """` ×10⁻³` or nothing."""
        return f" ×10{str(self.exponent).translate(_SUPERSCRIPTS)}" if self.exponent else ""

    def label(self, value: float) -> str:
        """The number in units of 10^exponent, without a plus sign; NaN is a question mark."""
        if not math.isfinite(value):
            return ABSENT
        largest = self.limit / 10.0**self.exponent
        decimals = 2 if largest < 10 else 1 if largest < 100 else 0  # noqa: PLR2004  (two or three digits for the limit)
        text = f"{abs(value) / 10.0**self.exponent:.{decimals}f}"
        return text if value >= 0 or float(text) == 0 else MINUS + text


def number(value: float, digits: int = 3, *, plus: bool = False) -> str:
    """`value` to `digits` significant digits, with a true minus sign; NaN is a question mark."""
    if not math.isfinite(value):
        return ABSENT if math.isnan(value) else ("∞" if value > 0 else f"{MINUS}∞")
    if value == 0:
        return "0"
    magnitude = abs(value)
    if 1e-3 <= magnitude < 1e5:  # noqa: PLR2004  (where plain digits read best)
        decimals = max(0, digits - 1 - math.floor(math.log10(magnitude)))
        text = f"{magnitude:.{decimals}f}"
    else:
        text = f"{magnitude:.{digits - 1}e}".replace("e-0", "e-").replace("e+0", "e").replace("e-", f"e{MINUS}")
    return (MINUS if value < 0 else "+" if plus else "") + text


def percent(share: float) -> str:
    """A share as a percentage with two significant digits."""
    if not math.isfinite(share):
        return ABSENT
    magnitude = abs(100 * share)
    if 0 < magnitude < 0.001:  # noqa: PLR2004  (below that the digits say nothing)
        return "less than 0.001 %"
    if 99.5 <= magnitude < 100.5:  # noqa: PLR2004  (99.96 % must not read as 100 %)
        return f"{100 * share:.1f} %".replace("-", MINUS)
    if 100.5 <= magnitude < 1e5:  # noqa: PLR2004  (beyond that a power of ten reads better)
        return f"{100 * share:.0f} %".replace("-", MINUS)
    return f"{number(100 * share, 2).removesuffix('.0')} %"


def prediction(explanation: Explanation) -> str:
    """The predicted label with its probability, or a regressor's output."""
    found = explanation.prediction
    value = found.probabilities.get(found.label)
    if value is None:
        return found.label
    if len(found.probabilities) == 1:
        return f"{found.label} = {number(value)}"
    return f"{found.label} (p = {value:.3f})"


def target(explanation: Explanation) -> str:
    """The explained scalar f, for example `logit of POSITIVE minus that of NEGATIVE`."""
    f = explanation.target
    against = "" if f.against is None else f" minus that of {f.against}"
    return f"{f.output} of {f.label}{against}"


def baseline(explanation: Explanation) -> str:
    """What stands for `nothing said`."""
    given = explanation.baseline
    kind = str(given.get("kind", ABSENT))
    if kind == "text" and given.get("text") is not None:
        return f"the text “{shorten(str(given['text']), 40)}”"
    if kind == "texts":
        count = given.get("count", given.get("texts"))
        count = len(count) if isinstance(count, list | tuple) else count
        return f"mean over {count} texts" if isinstance(count, int) else "mean over a set of texts"
    if kind == "zero":
        return "zero embeddings"
    token = given.get("token")
    return f"{kind} ({token})" if isinstance(token, str) else kind


def largest(explanation: Explanation) -> float:
    """The largest |Γ_uv| of the known entries, 0 when there are none: what the tolerance is a share of."""
    known = [abs(float(v)) for v in explanation.ih.ravel() if not math.isnan(v)]
    return max(known, default=0.0)


def certificate(explanation: Explanation) -> list[str]:
    """The certificate in sentences, the verdict first."""
    c = explanation.certificate
    tolerance = percent(c.tolerance)
    scale = largest(explanation)
    if scale:
        row, entry, of = percent(c.row_gap / scale), percent(c.quadrature_error / scale), " of the largest entry"
    else:
        row, entry, of = number(c.row_gap), number(c.quadrature_error), ""
    if c.converged:
        verdict = (
            f"Converged to {tolerance}: no row is off by more than {row}{of}, no entry by more than about {entry}."
        )
    else:
        entries = "by an unknown amount" if entry == ABSENT else f"by about {entry}"
        verdict = f"NOT CONVERGED to {tolerance}: rows are off by up to {row}{of}, entries {entries}."
    sentences = [verdict, *_completeness(explanation, scale)]
    if c.surrogate_gap is not None:
        label = "; the label changed" if c.surrogate is not None and c.surrogate.label_changed else ""
        sentences.append(f"Smoothing the kinks changed f(x) − f(x′) by {number(c.surrogate_gap)}{label}.")
    return sentences


def _completeness(explanation: Explanation, scale: float) -> list[str]:
    """How much of f(x) − f(x′) the matrix holds: as a share of it, or where it nearly cancels, beside an entry."""
    c = explanation.certificate
    if explanation.quadrature.formulation != "paper":
        return [f"Formulation {explanation.quadrature.formulation}: its entries do not sum to f(x) − f(x′)."]
    difference = explanation.f_input - explanation.f_baseline
    entries = float(explanation.ih.sum())
    if math.isnan(c.completeness_gap) or math.isnan(entries) or not scale:
        return []
    shown = number(difference, plus=True)
    if difference and c.completeness_gap <= _FEW * abs(difference):
        return [
            f"The matrix accounts for {percent(1 - c.completeness_gap / abs(difference))} of f(x) − f(x′) = {shown}."
        ]
    gap = percent(c.completeness_gap / scale)
    cancels = c.converged and abs(difference) < _FEW * float(abs(explanation.ih).sum())
    why = f", {number(scale)}; entries of both signs nearly cancel" if cancels else ""
    total = number(entries, plus=True)
    return [f"The matrix sums to {total}, f(x) − f(x′) is {shown}: a gap of {gap} of the largest entry{why}."]


def shorten(text: str, length: int) -> str:
    """At most `length` characters: a single word loses its middle, several lose their end."""
    text = " ".join(text.split())
    if len(text) <= length:
        return text
    if " " in text[:length]:
        return text[: length - 1].rstrip() + "…"
    head = (2 * length) // 3
    return text[:head] + "…" + text[len(text) - (length - 1 - head) :]


def is_punctuation(unit: Unit) -> bool:
    """Whether the unit's text has no letter, digit or symbol of its own: only punctuation and space."""
    return bool(unit.text.strip()) and all(unicodedata.category(c)[0] in "PZC" for c in unit.text)


def names(units: tuple[Unit, ...], length: int = 24) -> list[str]:
    """A short name a unit; a word that stands several times is numbered: `the (2)`."""
    plain = [shorten(unit.text, length) or "␣" for unit in units]
    total, seen = Counter(plain), Counter[str]()
    found = []
    for name in plain:
        seen[name] += 1
        found.append(f"{name} ({seen[name]})" if total[name] > 1 else name)
    return found
