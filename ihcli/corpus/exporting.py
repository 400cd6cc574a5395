"""A store as what other programs read: lines of JSON, the folders of `ih explain`, the pairs as one table."""

import csv
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from ihcli.corpus.durable import BESIDE
from ihcli.corpus.readers import Row
from ihcli.corpus.records import ERROR, Keyed, Outcome, to_explanation
from ihcli.corpus.store import Reader
from ihcli.errors import OutputError
from ihcli.results import Explanation

PAIR_COLUMNS = ("name", "id", "row", "prediction", "i", "j", "unit_i", "unit_j", "interaction")


def outcomes(reader: Reader) -> Iterator[Outcome]:
    """Every row of a store, as it was when it was finished."""
    for record in reader.records():
        row = Row(record["row"], record["line"], record["id"], record["text"], record["text_pair"])
        keyed = Keyed(row, record["key"], record["name"], record["source"])
        if record["status"] == ERROR:
            yield Outcome(keyed, None, record["error"], record["message"])
        else:
            yield Outcome(keyed, to_explanation(record))


def line_of(outcome: Outcome) -> str:
    """One line of JSON: which row, its status, and the result's document or the error."""
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
        document |= {
            "error": outcome.error,
            "message": outcome.message,
            "text": row.text,
            "text_pair": row.text_pair,
        }
    else:
        document |= outcome.explanation.to_dict()
    return json.dumps(document, ensure_ascii=False, allow_nan=False)


def write_lines(found: Iterator[Outcome], stream: TextIO) -> int:
    """JSON lines, failed rows among them; returns how many are explanations."""
    count = 0
    for outcome in found:
        stream.write(line_of(outcome) + "\n")
        count += outcome.explanation is not None
    return count


def write_pairs(found: Iterator[Outcome], stream: TextIO) -> int:
    """The pairs of all explained rows as one CSV, each row's strongest first; returns the number of rows."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(PAIR_COLUMNS)
    count = 0
    for outcome in found:
        explanation = outcome.explanation
        if explanation is None:
            continue
        count += 1
        own = (outcome.keyed.name, outcome.keyed.row.id or "", outcome.keyed.row.number, explanation.prediction.label)
        units = explanation.units
        writer.writerows((*own, i, j, units[i].text, units[j].text, repr(value)) for i, j, value in explanation.pairs())
    return count


def write_folders(
    found: Iterator[Outcome],
    directory: Path,
    write: Callable[[Explanation, Path], object],
) -> int:
    """A folder an explained row, as `ih explain` writes it; returns how many."""
    count = 0
    for outcome in found:
        if outcome.explanation is not None:
            write(outcome.explanation, directory / outcome.keyed.name)
            count += 1
    return count


@contextmanager
def whole(file: Path) -> Iterator[TextIO]:
    """A text file that takes its name when the block ends well, and is not there otherwise; raises `OutputError`."""
    beside = file.with_name(f"{BESIDE}{file.name}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with beside.open("w", encoding="utf-8", newline="") as stream:
                yield stream
            beside.replace(file)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    except OSError as error:
        message = f"{file}: cannot be written ({error.strerror or error}). Choose another place with -o."
        raise OutputError(message) from error


def require_outside(store: Path, out: Path) -> None:
    """Refuse to write into a store; raises `OutputError`."""
    inside = out.resolve()
    if store.resolve() in (inside, *inside.parents):
        message = f"{out} lies in the store {store}, which holds its own files only. Choose another place with -o."
        raise OutputError(message)
