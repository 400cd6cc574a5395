"""One recorded result against one new one."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ihcli.config import CheckSection
from ihcli.counting import counted
from ihcli.regression.comparability import compare_questions, order_of, same_text, same_units
from ihcli.regression.consistency import ONE_SIDED, audit
from ihcli.regression.findings import Comparison, Finding, Kind, Severity, label_of, quoted
from ihcli.regression.ranking import Ranking, compare_rankings
from ihcli.regression.tolerances import allowed, certified_error, largest
from ihcli.results import Array, Explanation
from ihcli.text_safety import one_line

MOST_LISTED = 20
"""Findings listed of one quantity of one text; the others are counted in a last one."""
_NOISE = 1e-12
"""Share of the largest value below which a difference is not mentioned."""


def compare(
    old: Explanation, new: Explanation, section: CheckSection, name: str = "", path: Path | None = None
) -> Comparison:
    """Everything that differs between `old` and `new`, judged by `section` and by what both are certified to."""
    findings = [*audit(old, "baseline"), *audit(new, "run")]
    findings += compare_questions(old, new, other_weights=section.other_weights)
    ranking = None
    if same_text(old, new):
        findings += _prediction(old, new, section)
        findings += _scores(old, new, section)
    if same_units(old, new):
        aligned = _Aligned(old, new)
        ranking = compare_rankings(*aligned.ih, min([section.top_k, *aligned.tops]), aligned.errors)
        findings += _attributions(aligned, section)
        findings += _matrix(aligned, section)
        findings += _ranks(aligned, ranking, section)
    return Comparison(name or label_of(old, 60), tuple(findings), old, new, ranking, path)


class _Aligned:
    """The numbers of two results with the new one's units in the order of the old one's."""

    def __init__(self, old: Explanation, new: Explanation) -> None:
        order = order_of(old, new)
        self.words = [one_line(unit.text, 30) for unit in old.units]
        self.ig: tuple[Array, Array] = (old.ig, new.ig[order])
        self.ih: tuple[Array, Array] = (old.ih, new.ih[np.ix_(order, order)])
        self.errors = (certified_error(old), certified_error(new))
        self.certified = sum(self.errors)  # how far the two may differ without either being wrong
        self.one_sided = ONE_SIDED in {e.quadrature.formulation for e in (old, new)}
        tops = [(e.config or {}).get("attribution", {}).get("top") for e in (old, new)]
        self.tops: list[int] = tops if all(type(top) is int and top > 0 for top in tops) else []
        """How many of the strongest pairs each was asked for; empty where one was asked for all."""

    def pair(self, i: int, j: int) -> str:
        """`not × bad`, or `not (diagonal)`."""
        return f"{self.words[i]} (diagonal)" if i == j else f"{self.words[i]} × {self.words[j]}"


def _prediction(old: Explanation, new: Explanation, section: CheckSection) -> Iterator[Finding]:
    a, b = old.prediction, new.prediction
    if a.label != b.label:
        message = "Another output is the largest." if a.are_values else "The model predicts another label."
        yield Finding(Kind.PREDICTION, Severity.REGRESSION, "prediction", message, a.label, b.label)
    elif a.index != b.index:
        message = f"The label {a.label!r} stands at another output of the model."
        yield Finding(Kind.PREDICTION, Severity.REGRESSION, "prediction.index", message, str(a.index), str(b.index))
    if set(a.probabilities) != set(b.probabilities):
        labels = ", ".join(a.probabilities), ", ".join(b.probabilities)
        yield Finding(Kind.PREDICTION, Severity.REGRESSION, "labels", "The model has other labels.", *labels)
    shared = [label for label in a.probabilities if label in b.probabilities]
    before, after = (np.array([one.probabilities[label] for label in shared], dtype=np.float64) for one in (a, b))
    limit = allowed(section, "probability", largest(before))
    kind = Kind.VALUE if a.are_values else Kind.PROBABILITY
    yield from _differences(kind, (before, after), limit, lambda i: f"{kind.value} of {shared[i]}")


def _scores(old: Explanation, new: Explanation, section: CheckSection) -> Iterator[Finding]:
    scale = max(abs(old.f_input), abs(old.f_baseline))
    for kind, where in ((Kind.F_INPUT, "f(x)"), (Kind.F_BASELINE, "f(x′)")):
        values = np.array([getattr(old, kind.value)]), np.array([getattr(new, kind.value)])
        yield from _differences(kind, values, allowed(section, kind.value, scale), lambda _, where=where: where)  # type: ignore[misc]


def _attributions(aligned: _Aligned, section: CheckSection) -> Iterator[Finding]:
    limit = allowed(section, "ig", largest(aligned.ig[0]), aligned.certified)
    return _differences(Kind.IG, aligned.ig, limit, lambda i: aligned.words[i])


def _matrix(aligned: _Aligned, section: CheckSection) -> Iterator[Finding]:
    old, new = aligned.ih
    limit = allowed(section, "ih", largest(old), aligned.certified)
    # The lower triangle differs from the upper one only where a record is not symmetric, which the audit reports.
    mask = np.ones(old.shape, dtype=bool) if aligned.one_sided else np.triu(np.ones(old.shape, dtype=bool))
    pairs = np.argwhere(mask).tolist()
    yield from _differences(Kind.IH, (old[mask], new[mask]), limit, lambda i: aligned.pair(*pairs[i]))
    for side, missing in (("run", ~np.isnan(old) & np.isnan(new)), ("baseline", np.isnan(old) & ~np.isnan(new))):
        places = np.argwhere(np.triu(missing)).tolist()
        if places:
            severity = Severity.WARNING if aligned.tops else Severity.REGRESSION
            message = f"{counted(len(places), 'entry', 'entries')} of the matrix not computed in the {side}."
            yield Finding(Kind.NOT_COMPUTED, severity, aligned.pair(*places[0]), message)


def _differences(
    kind: Kind, values: tuple[Array, Array], limit: float, where: Callable[[int], str]
) -> Iterator[Finding]:
    """Regressions where |new − old| exceeds `limit`, worst first; else one info for the largest difference."""
    old, new = values
    change = np.abs(new - old)
    if kind is not Kind.IH:  # a matrix may hold entries that were not computed; nothing else may
        change[np.isnan(old) != np.isnan(new)] = math.inf
    change = np.nan_to_num(change, nan=0.0, posinf=math.inf)
    order = np.argsort(-change, kind="stable").tolist()
    beyond = [i for i in order if change[i] > limit]

    def finding(index: int, severity: Severity, message: str) -> Finding:
        return Finding(kind, severity, where(index), message, float(old[index]), float(new[index]), limit)

    for i in beyond[:MOST_LISTED]:
        message = f"Moved by {change[i]:.3g} where {limit:.3g} is allowed."
        if not math.isfinite(change[i]):
            message = "Only one of the two has a number here."
        yield finding(i, Severity.REGRESSION, message)
    if len(beyond) > MOST_LISTED:
        others = beyond[MOST_LISTED:]
        message = f"And {counted(len(others), 'more value')} beyond {limit:.3g}, by up to {change[others[0]]:.3g}."
        yield Finding(kind, Severity.REGRESSION, f"{len(others)} more", message, tolerance=limit)
    if order and not beyond and change[order[0]] > _NOISE * largest(old):
        yield finding(order[0], Severity.INFO, f"Largest change {change[order[0]]:.3g}, within {limit:.3g}.")


def _ranks(aligned: _Aligned, ranking: Ranking, section: CheckSection) -> Iterator[Finding]:
    old, new = aligned.ih
    for pair in ranking.flipped:
        message = "A strong pair changed its sign, each sign certain beyond its error."
        values = float(old[pair]), float(new[pair])
        yield Finding(Kind.SIGN, Severity.REGRESSION, aligned.pair(*pair), message, *values, aligned.certified)
    if ranking.strongest_changed and ranking.strongest_old and ranking.strongest_new:
        pairs = aligned.pair(*ranking.strongest_old), aligned.pair(*ranking.strongest_new)
        message = "Another pair is the strongest, by more than both errors."
        yield Finding(Kind.STRONGEST, Severity.REGRESSION, "strongest pair", message, *pairs)
    gone = [aligned.pair(*pair) for pair in (*ranking.lost, *ranking.missing)]
    if gone:
        severity = Severity.REGRESSION if ranking.overlap < section.overlap else Severity.INFO
        message = (
            f"{len(gone)} of the {ranking.k} strongest pairs left them: {quoted(gone)}; "
            f"the share that must stay is {section.overlap:g}."
        )
        yield Finding(Kind.OVERLAP, severity, f"top {ranking.k}", message, 1.0, ranking.overlap, 1.0 - section.overlap)
    if ranking.reversals:
        severity = Severity.REGRESSION if ranking.tau < section.tau else Severity.INFO
        message = f"The order of the strongest pairs changed: Kendall's tau must be at least {section.tau:g}."
        yield Finding(Kind.ORDER, severity, f"top {ranking.k}", message, 1.0, ranking.tau, 1.0 - section.tau)
