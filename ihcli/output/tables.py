"""The comma-separated files of one explanation: full precision, UTF-8, line feeds.

Units are written as they stand in the text, so that a program reads back the same characters. A spreadsheet takes a
cell that starts with = + - @ or a tab for a formula: import the columns as text there.
"""

import csv
import io
import math
from collections.abc import Iterable, Sequence

from ihcli.results import Explanation


def interactions_csv(explanation: Explanation) -> str:
    """The matrix Γ (U, U), units as header and first column; an entry that was not computed is an empty cell."""
    words = [unit.text for unit in explanation.units]
    rows = ([word, *map(_cell, row)] for word, row in zip(words, explanation.ih.tolist(), strict=True))
    return _csv(["", *words], rows)


def pairs_csv(explanation: Explanation) -> str:
    """Known pairs i < j, strongest first; positions count from 0. A pair adds twice its entry to f(x) - f(x')."""
    words = [unit.text for unit in explanation.units]
    rows = ([i, j, words[i], words[j], _cell(value)] for i, j, value in explanation.pairs())
    return _csv(["i", "j", "unit_i", "unit_j", "interaction"], rows)


def attributions_csv(explanation: Explanation) -> str:
    """Every unit with its offsets, IG_u and its diagonal entry Γ_uu."""
    diagonal = explanation.ih.diagonal().tolist()
    rows = (
        [unit.text, unit.start, unit.end, _cell(ig), _cell(own)]
        for unit, ig, own in zip(explanation.units, explanation.ig.tolist(), diagonal, strict=True)
    )
    return _csv(["unit", "start", "end", "ig", "diagonal"], rows)


def _cell(value: float) -> str:
    return "" if math.isnan(value) else repr(value)


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    return "".join(csv_line(row) for row in (header, *rows))


def csv_line(row: Sequence[object]) -> str:
    """One line of a CSV file; a cell with a line feed or a carriage return is quoted."""
    stream = io.StringIO()
    csv.writer(stream).writerow(row)  # quotes what its own line end holds: \r\n
    return stream.getvalue().removesuffix("\r\n") + "\n"
