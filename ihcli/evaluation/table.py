"""The table of an evaluation: for each method and baseline, every metric's mean over texts with its interval.

Rows are added one text at a time, so that a store can be streamed; only the metrics' numbers are kept.
"""

import csv
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from ihcli.errors import UsageError
from ihcli.evaluation.intervals import LEVEL, RESAMPLES, Interval, Statistic, bootstrap, paired_difference
from ihcli.evaluation.measuring import METRICS
from ihcli.removal.game import Array
from ihcli.text_safety import one_line

SCHEMA: Final = "ihcli.evaluation/1"

TITLES = {"baseline_score": "Score of the baseline", "cancellation": "Cancellation"}
"""Columns beside `METRICS`, of which neither end is better."""


@dataclass(frozen=True, slots=True, order=True)
class Source:
    """What made an explanation: one row of the table."""

    method: str
    baseline: str = ""
    model: str = ""

    @property
    def name(self) -> str:
        """Its parts joined, without those that are empty."""
        return " · ".join(part for part in (self.model, self.method, self.baseline) if part)


@dataclass(frozen=True, slots=True)
class Cell:
    """One metric of one source over texts."""

    source: Source
    metric: str
    interval: Interval


@dataclass(frozen=True, slots=True)
class EvaluationTable:
    """Sources × metrics, each with an interval; plain data."""

    cells: tuple[Cell, ...]
    """By source in the order that they were first added, then by metric."""
    texts: Mapping[Source, int]
    """Texts added for each source."""
    statistic: Statistic = "mean"

    @property
    def sources(self) -> tuple[Source, ...]:
        """The rows, in order."""
        return tuple(self.texts)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The columns: metrics that any source has a value of, in the order of `METRICS`, others after them."""
        present = {cell.metric for cell in self.cells if cell.interval.n}
        return (*(name for name in METRICS if name in present), *sorted(present - set(METRICS)))

    def interval(self, source: Source, metric: str) -> Interval:
        """The interval of one cell; raises `KeyError` for a source or metric that is not in the table."""
        for cell in self.cells:
            if cell.source == source and cell.metric == metric:
                return cell.interval
        raise KeyError((source, metric))

    def best(self, metric: str) -> tuple[Source, ...]:
        """The sources whose estimate of the metric is the best; none where no direction or no value is known."""
        if metric not in METRICS:
            return ()
        sign = 1.0 if METRICS[metric].better == "higher" else -1.0
        known = [c for c in self.cells if c.metric == metric and c.interval.n]
        top = max((sign * c.interval.estimate for c in known), default=math.nan)
        return tuple(c.source for c in known if sign * c.interval.estimate == top)

    def to_dict(self) -> dict[str, Any]:
        """The table in plain JSON types; NaN becomes None."""
        return {
            "schema": SCHEMA,
            "statistic": self.statistic,
            "metrics": {
                name: {"title": METRICS[name].title, "better": METRICS[name].better, "formula": METRICS[name].formula}
                for name in self.metrics
                if name in METRICS
            },
            "rows": [
                {
                    "model": source.model,
                    "method": source.method,
                    "baseline": source.baseline,
                    "texts": self.texts[source],
                    "values": {name: _plain(self.interval(source, name)) for name in self.metrics},
                }
                for source in self.sources
            ],
        }

    def to_csv(self) -> str:
        """A line a source and metric, in full precision; what is not known is an empty cell."""
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["model", "method", "baseline", "metric", "better", "estimate", "low", "high", "n", "level"])
        for cell in self.cells:
            better = METRICS[cell.metric].better if cell.metric in METRICS else ""
            one = cell.interval
            numbers = [_cell(value) for value in (one.estimate, one.low, one.high)]
            source = cell.source
            writer.writerow(
                [source.model, source.method, source.baseline, cell.metric, better, *numbers, one.n, one.level]
            )
        return stream.getvalue()

    def to_markdown(self, digits: int = 2) -> str:
        """A table for reading: a row a source, a column a metric, the best of each column in bold."""
        titles = [_title(name) for name in self.metrics]
        lines = [f"| | {' | '.join(titles)} |", f"|---|{'---|' * len(titles)}"]
        best = {name: self.best(name) for name in self.metrics}
        for source in self.sources:
            cells = []
            for name in self.metrics:
                shown = _shown(self.interval(source, name), digits)
                cells.append(f"**{shown}**" if source in best[name] and len(self.sources) > 1 else shown)
            lines.append(f"| {_escaped(source.name)} | {' | '.join(cells)} |")
        return "\n".join(lines) + "\n"


@dataclass(slots=True)
class Evaluation:
    """The metrics of every text, source by source, as they come."""

    _values: dict[Source, dict[str, dict[str, float]]] = field(default_factory=dict)

    def add(self, source: Source, text: str, values: Mapping[str, float]) -> None:
        """Add the metrics of one text; `text` is any key that is the same for every source of that text.

        Raises `UsageError` for a text that the source has already, and for an infinite value.
        """
        own = self._values.setdefault(source, {})
        if text in own:
            message = f"{source.name}: text {text!r} was measured twice. Give each text a key of its own."
            raise UsageError(message)
        wrong = [name for name, value in values.items() if math.isinf(value)]
        if wrong:
            message = f"{source.name}: {wrong[0]} of text {text!r} is infinite; a metric is a finite number, or NaN."
            raise UsageError(message)
        own[text] = dict(values)

    def table(
        self, statistic: Statistic = "mean", *, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
    ) -> EvaluationTable:
        """The table of all that was added; arguments and errors as in `intervals.bootstrap`."""
        cells = []
        for source, texts in self._values.items():
            for metric in _names(texts.values()):
                numbers = _column(texts, texts, metric)
                interval = bootstrap(numbers, statistic, level=level, resamples=resamples, seed=seed)
                cells.append(Cell(source, metric, interval))
        empty = bootstrap([], statistic, level=level)
        names = _names(values for texts in self._values.values() for values in texts.values())
        known = {(cell.source, cell.metric): cell for cell in cells}
        full = tuple(
            known.get((source, metric), Cell(source, metric, empty)) for source in self._values for metric in names
        )
        return EvaluationTable(full, {source: len(texts) for source, texts in self._values.items()}, statistic)

    def difference(
        self,
        first: Source,
        second: Source,
        metric: str,
        statistic: Statistic = "mean",
        *,
        level: float = LEVEL,
        resamples: int = RESAMPLES,
        seed: int = 0,
    ) -> Interval:
        """The metric of `first` minus that of `second`, over the texts that both have; errors as in `bootstrap`.

        Raises `UsageError` for a source that was never added.
        """
        for source in (first, second):
            if source not in self._values:
                known = ", ".join(one.name for one in self._values) or "none"
                message = f"{source.name} was not measured; measured were: {known}."
                raise UsageError(message)
        own, other = self._values[first], self._values[second]
        shared = [text for text in own if text in other]
        return paired_difference(
            _column(own, shared, metric),
            _column(other, shared, metric),
            statistic,
            level=level,
            resamples=resamples,
            seed=seed,
        )


def _names(rows: Iterable[Mapping[str, float]]) -> list[str]:
    """The metrics of several texts: those of `METRICS` in their order, others in the order that they came."""
    seen = dict.fromkeys(name for row in rows for name in row)
    return [*(name for name in METRICS if name in seen), *(name for name in seen if name not in METRICS)]


def _column(texts: Mapping[str, Mapping[str, float]], keys: Iterable[str], metric: str) -> Array:
    return np.array([texts[key].get(metric, math.nan) for key in keys], dtype=np.float64)


def _plain(interval: Interval) -> dict[str, float | int | None]:
    return {
        "estimate": _none(interval.estimate),
        "low": _none(interval.low),
        "high": _none(interval.high),
        "n": interval.n,
        "level": interval.level,
    }


def _none(value: float) -> float | None:
    return None if math.isnan(value) else value


def _cell(value: float) -> str:
    return "" if math.isnan(value) else repr(value)


def _title(metric: str) -> str:
    if metric not in METRICS:
        return TITLES.get(metric, _escaped(metric))
    return f"{METRICS[metric].title} {'↑' if METRICS[metric].better == 'higher' else '↓'}"


def _shown(interval: Interval, digits: int) -> str:
    if not interval.n:
        return "–"
    if math.isnan(interval.low):
        return f"{interval.estimate:z.{digits}f}"
    return f"{interval.estimate:z.{digits}f} ({interval.low:z.{digits}f} to {interval.high:z.{digits}f})"


def _escaped(text: str) -> str:
    return " ".join(one_line(text).split()).replace("\\", "\\\\").replace("|", "\\|")
