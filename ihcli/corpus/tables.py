"""A summary as CSV: full precision, UTF-8, line feeds; what is not known is an empty cell."""

import csv
import dataclasses
import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ihcli.corpus.summary import Summary
from ihcli.file_writing import write_atomically

PAIRS = ("prediction", "word_i", "word_j", "count", "mean", "magnitude", "sign_agreement")
WORDS = ("prediction", "word", "count", "magnitude", "ig", "diagonal", "partner")
NEGATIONS = (
    "prediction", "negator", "word", "count", "mean", "magnitude", "sign_agreement", "ig", "ig_elsewhere",
    "count_elsewhere", "turns",
)  # fmt: skip


def write_tables(summary: Summary, folder: Path) -> list[Path]:
    """Write `pairs.csv`, `words.csv` and `negation.csv`; raises `OutputError`."""
    tables = {
        "pairs.csv": _csv(PAIRS, ((p.prediction, *p.words, *_fields(p)[2:]) for p in summary.pairs)),
        "words.csv": _csv(WORDS, (_fields(word) for word in summary.words)),
        "negation.csv": _csv(NEGATIONS, ((*_fields(n), n.turns) for n in summary.negations)),
    }
    for name, content in tables.items():
        write_atomically(folder / name, content.encode("utf-8"))
    return [folder / name for name in tables]


def to_document(summary: Summary, top: int) -> dict[str, Any]:
    """The summary in plain JSON types, the first `top` rows of each table for each label."""
    document: dict[str, Any] = {
        "schema": "ihcli.summary/1",
        "explained": summary.explained,
        "failed": summary.failed,
        "not_converged": summary.not_converged,
        "predictions": dict(summary.predictions),
        "towards": summary.towards,
    }
    for name, rows in (("pairs", summary.pairs), ("words", summary.words), ("negations", summary.negations)):
        document[name] = [
            {key: _json(value) for key, value in dataclasses.asdict(row).items()}
            for label in summary.labels
            for row in [one for one in rows if one.prediction == label][:top]
        ]
    return document


def _fields(row: Any) -> tuple[Any, ...]:
    return tuple(getattr(row, field.name) for field in dataclasses.fields(row))


def _json(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return stream.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return "" if math.isnan(value) else repr(value)
    return value
