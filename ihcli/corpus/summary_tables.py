"""A summary as CSV files and as a JSON document; an unknown value is an empty cell, or null."""

import csv
import dataclasses
import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ihcli.corpus.summary import NegationSummary, PairSummary, Summary, WordSummary
from ihcli.file_writing import write_atomically
from ihcli.result_files import to_plain


def write_tables(summary: Summary, folder: Path) -> list[Path]:
    """Write `pairs.csv`, `words.csv` and `negation.csv`, in full precision; raises `OutputError`."""
    pair_names, word_names, negation_names = map(_names, (PairSummary, WordSummary, NegationSummary))
    pair_names[1:2] = ["word_i", "word_j"]
    pairs = ((p.prediction, *p.words, *_values(p)[2:]) for p in summary.pairs)
    tables = {
        "pairs.csv": _csv(pair_names, pairs),
        "words.csv": _csv(word_names, map(_values, summary.words)),
        "negation.csv": _csv([*negation_names, "turns"], ((*_values(n), n.turns) for n in summary.negations)),
    }
    for name, content in tables.items():
        write_atomically(folder / name, content.encode("utf-8"), follow_links=False)
    return [folder / name for name in tables]


def to_document(summary: Summary) -> dict[str, Any]:
    """The summary in plain JSON types."""
    values = to_plain(summary)
    options = values.pop("options")
    left_out = {"punctuation": not options["punctuation"], "stop_words": sorted(summary.options.stop_words)}
    return {"schema": "ihcli.summary/1", **values, "left_out": left_out}


def _names(kind: type) -> list[str]:
    return [field.name for field in dataclasses.fields(kind)]


def _values(row: Any) -> list[Any]:
    return [getattr(row, field.name) for field in dataclasses.fields(row)]


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
