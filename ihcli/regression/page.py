"""The report as one HTML file: old, new and difference side by side, as tables whose numbers can be selected."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np

from ihcli import palette, wording
from ihcli.counting import counted
from ihcli.regression.comparability import order_of, same_units
from ihcli.regression.findings import Comparison, ComparisonReport, Finding, Terms, shown
from ihcli.regression.tolerances import largest
from ihcli.results import Array, Explanation, Unit
from ihcli.text_safety import one_line

MOST_UNITS = 30
"""Units in one table: beyond, those with the largest changes and entries."""


@dataclass(frozen=True, slots=True)
class TableCell:
    """One entry of a coloured table: its text, full value, background and ink."""

    text: str
    value: str
    ground: str
    ink: str


@dataclass(frozen=True, slots=True)
class ColouredTable:
    """A matrix as a table: column names and rows of (name, cells), IG in the first column."""

    title: str
    limit: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[TableCell, ...]], ...]


def page(report: ComparisonReport) -> str:
    """The whole page; texts are escaped, nothing is fetched."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((files("ihcli.regression") / "page.html").read_text(encoding="utf-8"))
    failed, warned = report.failed(), report.warned()
    within = [one for one in report.comparisons if one not in failed and one not in warned]
    return template.render(
        report=report,
        sections=[_section(report, one) for one in failed + warned],
        within=[(one.label, [one_line(finding.message) for finding in one.worst_first()]) for one in within],
    )


def _section(report: ComparisonReport, comparison: Comparison) -> dict[str, Any]:
    tables, note = _tables(comparison)
    failed = bool(report.failing(comparison))
    return {
        "style": "fail" if failed else "warning",
        "word": report.terms.moved if failed else "warning",
        "label": comparison.label,
        "name": one_line(comparison.name),
        "findings": [_row(finding, report.terms) for finding in comparison.worst_first()],
        "tables": tables,
        "note": note,
    }


def _row(finding: Finding, terms: Terms) -> dict[str, str]:
    return {
        "style": "fail" if finding.severity == "regression" else finding.severity.value,
        "severity": terms.of(finding.severity),
        "kind": finding.kind.value,
        "where": one_line(finding.where),
        "old": shown(finding.old),
        "new": shown(finding.new),
        "tolerance": shown(finding.tolerance),
        "message": one_line(finding.message),
    }


def _tables(comparison: Comparison) -> tuple[list[ColouredTable], str]:
    """Old, new and new − old on one scale each where the units agree, else what there is; and a note."""
    old, new = comparison.old, comparison.new
    if old is None or new is None:
        return [_one(title, one) for title, one in (("recorded", old), ("new", new)) if one is not None], ""
    if not same_units(old, new):
        return [_one("old", old), _one("new", new)], "The units differ, so there is no difference to show."
    order = order_of(old, new)
    ig = (old.ig, new.ig[order], new.ig[order] - old.ig)
    ih = (old.ih, new.ih[np.ix_(order, order)], new.ih[np.ix_(order, order)] - old.ih)
    keep = _kept(ih[0], ih[2])
    shared = (max(map(largest, ih[:2])), max(map(largest, ig[:2])))
    limits = (shared, shared, (largest(ih[2]), largest(ig[2])))
    titles = ("old", "new", "new − old")
    tables = [
        _table(title, old.units, keep, numbers, limit)
        for title, numbers, limit in zip(titles, zip(ih, ig, strict=True), limits, strict=True)
    ]
    units = counted(len(old.units), "unit")
    note = f"{len(keep)} of {units} are shown: those that moved most and those with the largest entries."
    return tables, "" if len(keep) == len(old.units) else note


def _one(title: str, explanation: Explanation) -> ColouredTable:
    keep = _kept(explanation.ih, explanation.ih)
    limits = (largest(explanation.ih), largest(explanation.ig))
    return _table(title, explanation.units, keep, (explanation.ih, explanation.ig), limits)


def _kept(matrix: Array, change: Array) -> list[int]:
    """At most `MOST_UNITS` units in their order: half by largest change, the others by largest entry."""
    if len(matrix) <= MOST_UNITS:
        return list(range(len(matrix)))
    moved = np.argsort(-np.nan_to_num(np.abs(change)).max(axis=1), kind="stable")
    strong = np.argsort(-np.nan_to_num(np.abs(matrix)).max(axis=1), kind="stable")
    chosen = dict.fromkeys([*moved[: MOST_UNITS // 2].tolist(), *strong.tolist()])
    return sorted(list(chosen)[:MOST_UNITS])


def _table(
    title: str, units: Sequence[Unit], keep: list[int], numbers: tuple[Array, Array], limits: tuple[float, float]
) -> ColouredTable:
    words = [one_line(name) for name in wording.names(tuple(units), 16)]
    matrix, ig = numbers
    digits = [wording.Digits(limit or 1.0) for limit in limits]
    rows = tuple(
        (words[i], (_cell(float(ig[i]), digits[1]), *(_cell(float(matrix[i, j]), digits[0]) for j in keep)))
        for i in keep
    )
    scales = [f"±{one.label(limit)}{one.power}" for one, limit in zip(digits, limits, strict=True)]
    return ColouredTable(title, f"{scales[0]}, IG {scales[1]}", ("IG", *(words[j] for j in keep)), rows)


def _cell(value: float, digits: wording.Digits) -> TableCell:
    if math.isnan(value):
        return TableCell("", "not computed", "transparent", "inherit")
    share = value / digits.limit
    ink = palette.ink_on(palette.LIGHT.rgb(share))
    return TableCell(digits.label(value), repr(value), palette.LIGHT.hex(share), ink)
