"""The report as one HTML file: old, new and difference side by side, as tables whose numbers can be selected."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from ihcli import palette, wording
from ihcli.file_writing import write_atomically
from ihcli.regression.findings import Entry, Report, one_line, shown
from ihcli.regression.identity import order_of, same_units
from ihcli.regression.tolerances import largest
from ihcli.results import Array, Explanation, Unit

MOST_UNITS = 30
"""Units in one picture: beyond, those with the largest changes and entries."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One entry of a heatmap: its text, full value, background and ink."""

    text: str
    value: str
    ground: str
    ink: str


@dataclass(frozen=True, slots=True)
class Heatmap:
    """One coloured table: column names and rows of (name, cells), IG first."""

    title: str
    limit: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


def page(report: Report) -> str:
    """The whole page; texts are escaped, nothing is fetched."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((files("ihcli.regression") / "page.html").read_text(encoding="utf-8"))
    failed = report.failed()
    warned = report.warned()
    rest = [entry for entry in report.entries if entry not in failed and entry not in warned]
    sections = [_section(report, entry) for entry in failed + warned]
    return template.render(
        report=report,
        sections=sections,
        rest=[(one_line(entry.label), [finding.message for finding in entry.worst_first()]) for entry in rest],
    )


def write_page(report: Report, file: Path) -> None:
    """Write the page, whole or not at all; raises `OutputError`."""
    write_atomically(file, page(report).encode("utf-8"))


def _section(report: Report, entry: Entry) -> dict[str, Any]:
    heatmaps, note = _heatmaps(entry)
    return {
        "failed": bool(report.failing(entry)),
        "label": one_line(entry.label),
        "name": one_line(entry.name),
        "findings": [
            {
                "severity": f.severity.value,
                "kind": f.kind.value,
                "where": one_line(f.where),
                "old": shown(f.old),
                "new": shown(f.new),
                "tolerance": shown(f.tolerance),
                "message": one_line(f.message),
            }
            for f in entry.worst_first()
        ],
        "rank": entry.rank,
        "heatmaps": heatmaps,
        "note": note,
    }


def _heatmaps(entry: Entry) -> tuple[list[Heatmap], str]:
    """Old, new and new − old on one scale each where the units agree, else what there is."""
    old, new = entry.old, entry.new
    if old is None or new is None:
        found = [("recorded", old), ("new", new)]
        return [_one(title, e) for title, e in found if e is not None], ""
    if (old.text, old.text_pair) != (new.text, new.text_pair) or not same_units(old, new):
        return [_one("old", old), _one("new", new)], "The units differ, so there is no difference to show."
    order = order_of(old, new)
    ig = (old.ig, new.ig[order])
    ih = (old.ih, new.ih[np.ix_(order, order)])
    keep = _kept(ih[0], ih[1] - ih[0])
    limits = (max(map(largest, ih)), max(map(largest, ig)))
    change = (largest(ih[1] - ih[0]), largest(ig[1] - ig[0]))
    heatmaps = [
        _heatmap("old", old.units, keep, (ih[0], ig[0]), limits),
        _heatmap("new", old.units, keep, (ih[1], ig[1]), limits),
        _heatmap("new − old", old.units, keep, (ih[1] - ih[0], ig[1] - ig[0]), change),
    ]
    return heatmaps, _left_out(len(old.units), len(keep))


def _one(title: str, explanation: Explanation) -> Heatmap:
    keep = _kept(explanation.ih, explanation.ih)
    limits = (largest(explanation.ih), largest(explanation.ig))
    return _heatmap(title, explanation.units, keep, (explanation.ih, explanation.ig), limits)


def _kept(matrix: Array, change: Array) -> list[int]:
    """At most `MOST_UNITS` units in their order: half by largest change, the rest by largest entry."""
    if len(matrix) <= MOST_UNITS:
        return list(range(len(matrix)))
    moved = np.argsort(-np.nan_to_num(np.abs(change)).max(axis=1), kind="stable")
    strong = np.argsort(-np.nan_to_num(np.abs(matrix)).max(axis=1), kind="stable")
    chosen = dict.fromkeys([*moved[: MOST_UNITS // 2].tolist(), *strong.tolist()])
    return sorted(list(chosen)[:MOST_UNITS])


def _left_out(total: int, kept: int) -> str:
    if kept == total:
        return ""
    return f"{kept} of {total} units are shown: those that moved most and those with the largest entries."


def _heatmap(
    title: str, units: Sequence[Unit], keep: list[int], values: tuple[Array, Array], limits: tuple[float, float]
) -> Heatmap:
    words = [one_line(name) for name in wording.names(tuple(units), 16)]
    matrix, ig = values
    entries, attributions = (wording.Digits(limit or 1.0) for limit in limits)
    rows = tuple(
        (words[i], (_cell(float(ig[i]), attributions), *(_cell(float(matrix[i, j]), entries) for j in keep)))
        for i in keep
    )
    shown = zip(limits, (entries, attributions), strict=True)
    scales = [f"±{digits.label(limit)}{digits.power}" for limit, digits in shown]
    return Heatmap(title, f"{scales[0]}, IG {scales[1]}", ("IG", *(words[j] for j in keep)), rows)


def _cell(value: float, digits: wording.Digits) -> Cell:
    if math.isnan(value):
        return Cell("", "not computed", "transparent", "inherit")
    share = value / digits.limit
    ground = palette.LIGHT.rgb(share)
    return Cell(digits.label(value), repr(value), palette.LIGHT.hex(share), palette.ink_on(ground))
