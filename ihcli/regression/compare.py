"""One recorded result against one new one."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ihcli.config import CheckSection
from ihcli.regression.consistency import audit
from ihcli.regression.findings import Entry, Finding, Kind, Rank, Severity, count, names, one_line
from ihcli.regression.identity import ONE_SIDED, compare_identity, order_of, same_text, same_units
from ihcli.regression.ranking import Ranking, compare_rankings
from ihcli.regression.tolerances import allowed, certified_error, largest
from ihcli.results import Array, Explanation

MOST_LISTED = 20
"""Findings listed of one quantity of one text; the rest is counted in a last one."""
_NOISE = 1e-12


def compare(
    old: Explanation, new: Explanation, section: CheckSection, name: str = "", path: Path | None = None
) -> Entry:
    """Everything that differs between `old` and `new`, judged by `section` and by what both are certified to."""
    identity = compare_identity(old, new, other_weights=section.other_weights)
    findings = [*audit(old, "baseline"), *audit(new, "run"), *identity]
    rank = None
    if same_text(old, new):
        findings += _prediction(old, new, section)
        findings += _scores(old, new, section)
        if same_units(old, new):
            matched = _Matched(old, new)
            findings += _attributions(matched, section)
            findings += _matrix(matched, section)
            rank, ranked = _ranks(matched, section)
            findings += ranked
    return Entry(name or one_line(old.text, 60), tuple(findings), old, new, rank, path)


class _Matched:
    """Two results with the new one's units in the order of the old one's."""

    def __init__(self, old: Explanation, new: Explanation) -> None:
        order = order_of(old, new)
        self.words = [one_line(unit.text, 30) for unit in old.units]
        self.ig: tuple[Array, Array] = (old.ig, new.ig[order])
        self.ih: tuple[Array, Array] = (old.ih, new.ih[np.ix_(order, order)])
        self.errors = (certified_error(old), certified_error(new))
        self.one_sided = ONE_SIDED in {e.quadrature.formulation for e in (old, new)}
        tops = [(e.config or {}).get("attribution", {}).get("top") for e in (old, new)]
        self.screened: list[int] = [top for top in tops if isinstance(top, int)] if None not in tops else []
        """How many of the strongest pairs each was asked for; empty where one was asked for all."""

    @property
    def certified(self) -> float:
        """How far the two may differ without either being wrong."""
        return sum(self.errors)

    def pair(self, indices: tuple[int, int]) -> str:
        """`not × bad`, or `not (diagonal)`."""
        i, j = indices
        return f"{self.words[i]} (diagonal)" if i == j else f"{self.words[i]} × {self.words[j]}"


def _prediction(old: Explanation, new: Explanation, section: CheckSection) -> list[Finding]:
    a, b = old.prediction, new.prediction
    found = []
    if a.label != b.label:
        message = "The model predicts another label."
        found.append(Finding(Kind.PREDICTION, Severity.REGRESSION, "prediction", message, a.label, b.label))
    elif a.index != b.index:
        message = f"The label {a.label!r} stands at another output of the model."
        values = str(a.index), str(b.index)
        found.append(Finding(Kind.PREDICTION, Severity.REGRESSION, "prediction.index", message, values[0], values[1]))
    if set(a.probabilities) != set(b.probabilities):
        message = "The model has other labels."
        values = ", ".join(a.probabilities), ", ".join(b.probabilities)
        found.append(Finding(Kind.PREDICTION, Severity.REGRESSION, "labels", message, values[0], values[1]))
    labels = [label for label in a.probabilities if label in b.probabilities]
    before = np.array([float(a.probabilities[label]) for label in labels])
    after = np.array([float(b.probabilities[label]) for label in labels])
    limit = allowed(section, "probability", largest(before))
    return found + _differences(Kind.PROBABILITY, (before, after), limit, lambda i: f"probability of {labels[i]}")


def _scores(old: Explanation, new: Explanation, section: CheckSection) -> list[Finding]:
    scale = max(abs(old.f_input), abs(old.f_baseline))
    found: list[Finding] = []
    for kind, where in ((Kind.F_INPUT, "f(x)"), (Kind.F_BASELINE, "f(x')")):
        name = kind.value
        values = np.array([getattr(old, name)]), np.array([getattr(new, name)])
        found += _differences(kind, values, allowed(section, name, scale), lambda _, where=where: where)  # type: ignore[misc]
    return found


def _attributions(matched: _Matched, section: CheckSection) -> list[Finding]:
    limit = allowed(section, "ig", largest(matched.ig[0]), matched.certified)
    return _differences(Kind.IG, matched.ig, limit, lambda i: matched.words[i])


def _matrix(matched: _Matched, section: CheckSection) -> list[Finding]:
    old, new = matched.ih
    limit = allowed(section, "ih", largest(old), matched.certified)
    rows, columns = np.triu_indices(len(old))
    if matched.one_sided:
        rows, columns = (indices.ravel() for indices in np.indices(old.shape))
    # Elsewhere the lower triangle speaks only where a record is not symmetric; the audit reports that by itself.
    values = old[rows, columns], new[rows, columns]
    found = _differences(Kind.IH, values, limit, lambda i: matched.pair((int(rows[i]), int(columns[i]))))
    return found + _not_computed(matched)


def _not_computed(matched: _Matched) -> list[Finding]:
    """Entries that only one of the results holds."""
    known = [~np.isnan(matrix) for matrix in matched.ih]
    rows, columns = np.triu_indices(len(known[0]))
    found = []
    for side, mask in (("run", known[0] & ~known[1]), ("baseline", known[1] & ~known[0])):
        number = int(mask[rows, columns].sum())
        if number:
            severity = Severity.WARNING if matched.screened else Severity.REGRESSION
            first = next((i, j) for i, j in zip(rows, columns, strict=True) if mask[i, j])
            message = f"{count(number, 'entry', 'entries')} of the matrix not computed in the {side}."
            found.append(Finding(Kind.NOT_COMPUTED, severity, matched.pair((int(first[0]), int(first[1]))), message))
    return found


def _differences(kind: Kind, values: tuple[Array, Array], limit: float, where: Callable[[int], str]) -> list[Finding]:
    """Regressions where |new - old| exceeds `limit`, worst first; else one info for the largest difference."""
    change = np.abs(values[1] - values[0])
    one_sided = np.isnan(values[0]) != np.isnan(values[1])
    if kind is not Kind.IH and one_sided.any():
        # A matrix may hold entries that were not computed; anything else must have a number on both sides.
        change[one_sided] = math.inf
    change = np.where(np.isnan(change), 0.0, change)
    if not change.size:
        return []
    order = np.argsort(-change, kind="stable")
    beyond = [int(i) for i in order if change[i] > limit]

    def finding(index: int, severity: Severity, message: str) -> Finding:
        old, new = float(values[0][index]), float(values[1][index])
        return Finding(kind, severity, where(index), message, old, new, limit)

    if not beyond:
        top = int(order[0])
        if change[top] <= _NOISE * largest(values[0]):
            return []
        return [finding(top, Severity.INFO, f"Largest change {change[top]:.3g}, within {limit:.3g}.")]
    found = [finding(i, Severity.REGRESSION, _moved(change[i], limit)) for i in beyond[:MOST_LISTED]]
    if len(beyond) > MOST_LISTED:
        rest = beyond[MOST_LISTED:]
        message = f"And {count(len(rest), 'more value')} beyond {limit:.3g}, by up to {change[rest[0]]:.3g}."
        found.append(Finding(kind, Severity.REGRESSION, f"{len(rest)} more", message, tolerance=limit))
    return found


def _moved(change: float, limit: float) -> str:
    if not math.isfinite(change):
        return "Only one of the two has a number here."
    return f"Moved by {change:.3g} where {limit:.3g} is allowed."


def _ranks(matched: _Matched, section: CheckSection) -> tuple[Rank, list[Finding]]:
    ranking = compare_rankings(*matched.ih, min([section.top_k, *matched.screened]), matched.errors)
    return Rank(ranking.k, ranking.overlap, ranking.tau), list(_rank_findings(matched, ranking, section))


def _rank_findings(matched: _Matched, ranking: Ranking, section: CheckSection) -> Iterator[Finding]:
    old, new = matched.ih
    for i, j in ranking.flipped:
        message = "A strong pair changed its sign, each sign certain beyond its error."
        values = float(old[i, j]), float(new[i, j])
        yield Finding(
            Kind.SIGN, Severity.REGRESSION, matched.pair((i, j)), message, values[0], values[1], matched.certified
        )
    if ranking.strongest_changed and ranking.strongest_old and ranking.strongest_new:
        pairs = matched.pair(ranking.strongest_old), matched.pair(ranking.strongest_new)
        message = "Another pair is the strongest, by more than both errors."
        yield Finding(Kind.STRONGEST, Severity.REGRESSION, "strongest pair", message, pairs[0], pairs[1])
    gone = [*ranking.lost, *ranking.missing]
    if gone:
        severity = Severity.REGRESSION if ranking.overlap < section.overlap else Severity.INFO
        message = (
            f"{len(gone)} of the {ranking.k} strongest pairs left them: {names([matched.pair(p) for p in gone])}; "
            f"the share that must stay is {section.overlap:g}."
        )
        yield Finding(Kind.OVERLAP, severity, f"top {ranking.k}", message, 1.0, ranking.overlap, 1.0 - section.overlap)
    if ranking.reversals:
        severity = Severity.REGRESSION if ranking.tau < section.tau else Severity.INFO
        message = f"The order of the strongest pairs changed: Kendall's tau, at least {section.tau:g} is asked for."
        yield Finding(Kind.ORDER, severity, f"top {ranking.k}", message, 1.0, ranking.tau, 1.0 - section.tau)
