"""A store as files for other programs: JSON lines, the folders of `ih explain`, one table of all pairs."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from ihcli.corpus.records import RowOutcome
from ihcli.errors import OutputError
from ihcli.file_writing import replacing
from ihcli.output.naming import path_inside
from ihcli.results import Explanation
from ihcli.text_safety import escape_json

PAIR_COLUMNS = ("name", "id", "row", "prediction", "i", "j", "unit_i", "unit_j", "interaction")


def json_line(outcome: RowOutcome) -> str:
    """One line of JSON: the row, its status, and the document of the result or the error."""
    row = outcome.keyed.row
    document: dict[str, Any] = {
        "name": outcome.keyed.name,
        "id": row.id,
        "source": outcome.keyed.source,
        "row": row.number,
        "line": row.line,
        "status": outcome.status,
    }
    if outcome.explanation is None:
        document |= {"error": outcome.error, "message": outcome.message, "text": row.text, "text_pair": row.text_pair}
    else:
        document |= outcome.explanation.to_dict()
    return escape_json(json.dumps(document, ensure_ascii=False, allow_nan=False))


def write_json_lines(outcomes: Iterator[RowOutcome], stream: TextIO) -> int:
    """Write all rows, failed ones included; returns the number of explanations."""
    count = 0
    for outcome in outcomes:
        stream.write(json_line(outcome) + "\n")
        count += outcome.explanation is not None
    return count


def write_pairs(outcomes: Iterator[RowOutcome], stream: TextIO) -> int:
    """Write the pairs of all explanations as one CSV table, strongest first; returns the number of explanations."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(PAIR_COLUMNS)
    count = 0
    for outcome in outcomes:
        explanation = outcome.explanation
        if explanation is None:
            continue
        count += 1
        row = (outcome.keyed.name, outcome.keyed.row.id or "", outcome.keyed.row.number, explanation.prediction.label)
        units = explanation.units
        writer.writerows((*row, i, j, units[i].text, units[j].text, repr(value)) for i, j, value in explanation.pairs())
    return count


def write_folders(outcomes: Iterator[RowOutcome], directory: Path, write: Callable[[Explanation, Path], object]) -> int:
    """Write one folder for each explanation with `write`; returns their number.

    Raises `OutputError` for a name that leads out of `directory`.
    """
    count = 0
    for outcome in outcomes:
        if outcome.explanation is not None:
            write(outcome.explanation, path_inside(directory, outcome.keyed.name))
            count += 1
    return count


@contextmanager
def text_file(file: Path) -> Iterator[TextIO]:
    """A text file that is written whole or not at all, see `replacing`; raises `OutputError`."""
    with replacing(file) as binary:
        stream = io.TextIOWrapper(binary, encoding="utf-8", newline="")
        try:
            yield stream
            stream.flush()
        finally:
            stream.detach()


def require_outside(store: Path, out: Path) -> None:
    """Raise `OutputError` where `out` is in the store."""
    target = out.resolve()
    if store.resolve() in (target, *target.parents):
        message = f"{out} is in the store {store}, which holds its own files only. Choose another place with -o."
        raise OutputError(message)
