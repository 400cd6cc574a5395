"""A row of the store as Arrow values: an explanation, or the message of the error.

An explanation that is read back is equal to the one that was written: arrays are lists of float64, with NaN where an
entry was not computed, and the other fields are JSON as in `Explanation.to_dict`. Fields that are the same in all rows
have a column of their own, which the dictionary encoding of Parquet keeps once in each part.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ihcli.corpus.readers import Row
from ihcli.corpus.row_keys import KeyedRow
from ihcli.counting import counted
from ihcli.errors import ResultError, StoreError
from ihcli.result_files import to_plain
from ihcli.results import SCHEMA as RESULT_SCHEMA
from ihcli.results import Explanation

OK, NOT_CONVERGED, ERROR = STATUSES = ("ok", "not_converged", "error")
REMEDY = "Delete this part, then run the same `ih batch` command, which explains its rows again."
_NUMBERS = pa.list_(pa.float64())
_OF_ROW = ("text", "text_pair")
_ARRAYS = ("ig", "ih", "ih_spread", "path")
_SHARED = ("model", "baseline", "environment", "config")
SCHEMA = pa.schema(
    {
        **dict.fromkeys(("key", "source"), pa.string()),
        **dict.fromkeys(("row", "line"), pa.int64()),
        **dict.fromkeys(("id", "name", "status", "error", "message", *_OF_ROW, "text_sha256"), pa.string()),
        **dict.fromkeys(("ig", "ih", "ih_spread"), _NUMBERS),
        "path": pa.struct(dict.fromkeys(("t", "f", "curvature"), _NUMBERS)),
        **dict.fromkeys(("shared", "explanation"), pa.string()),
    }
)
"""The columns of a part.  `ih` is the matrix row by row; `shared` and `explanation` are JSON."""


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """The explanation of a row, or the class and message of the error that it raised."""

    keyed: KeyedRow
    explanation: Explanation | None = None
    error: str | None = None
    message: str | None = None

    @property
    def status(self) -> str:
        """`ok`, `not_converged` or `error`."""
        if self.explanation is None:
            return ERROR
        return OK if self.explanation.converged else NOT_CONVERGED


def to_record(outcome: RowOutcome) -> dict[str, Any]:
    """The outcome as a row of `SCHEMA`."""
    row, explanation = outcome.keyed.row, outcome.explanation
    record: dict[str, Any] = {
        "key": outcome.keyed.key,
        "source": outcome.keyed.source,
        "row": row.number,
        "line": row.line,
        "id": row.id,
        "name": outcome.keyed.name,
        "status": outcome.status,
        "error": outcome.error,
        "message": outcome.message,
        "text": row.text,
        "text_pair": row.text_pair,
        "text_sha256": _digest(row.text),
    }
    if explanation is None:
        return record
    path, spread = explanation.path, explanation.ih_spread
    names = [field.name for field in dataclasses.fields(explanation) if field.name not in (*_OF_ROW, *_ARRAYS)]
    values = {name: to_plain(getattr(explanation, name)) for name in names}
    return record | {
        "ig": explanation.ig,
        "ih": explanation.ih.ravel(),
        "ih_spread": None if spread is None else spread.ravel(),
        "path": None if path is None else {"t": path.t, "f": path.f, "curvature": path.curvature},
        "shared": json.dumps({name: values.pop(name) for name in _SHARED}, ensure_ascii=False),
        "explanation": json.dumps(values, ensure_ascii=False),
    }


def to_table(records: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Records as one Arrow table."""
    return pa.Table.from_pylist(list(records), schema=SCHEMA)


def to_outcome(record: Mapping[str, Any], part: str) -> RowOutcome:
    """The outcome that a record of a part holds; raises `StoreError` for a value that `to_record` does not write."""
    where = f"{part}, row {record['row']}"
    try:
        return _checked_outcome(record, where)
    except ResultError as error:
        message = f"{str(error).removesuffix(' Explain the text again.')} {REMEDY}"
        raise StoreError(message) from error
    except (TypeError, ValueError, RecursionError) as error:
        message = f"{where}: the row is damaged ({error}). {REMEDY}"
        raise StoreError(message) from error


def _checked_outcome(record: Mapping[str, Any], where: str) -> RowOutcome:
    failed = record["status"] == ERROR
    required = ("row", "name", "text", *(("error", "message") if failed else ()))
    absent = [name for name in required if record[name] is None]
    if absent:
        message = f"{absent[0]} is null"
        raise ValueError(message)
    if _digest(record["text"]) != record["text_sha256"]:
        message = "text_sha256 is not the digest of the text"
        raise ValueError(message)
    row = Row(record["row"], record["line"], record["id"], record["text"], record["text_pair"])
    keyed = KeyedRow(row, record["key"], record["name"], record["source"])
    if failed:
        return RowOutcome(keyed, None, record["error"], record["message"])
    outcome = RowOutcome(keyed, _explanation(record, where))
    if outcome.status != record["status"]:
        message = f"status is {record['status']!r}, and the certificate says {outcome.status!r}"
        raise ValueError(message)
    return outcome


def _explanation(record: Mapping[str, Any], where: str) -> Explanation:
    document = json.loads(record["shared"]) | json.loads(record["explanation"])
    path, spread, count = record["path"], record["ih_spread"], len(record["ig"])
    document |= {"schema": RESULT_SCHEMA, **{name: record[name] for name in _OF_ROW}}
    document["ig"] = _without_nan(record["ig"])
    document["ih"] = _matrix("ih", record["ih"], count)
    document["ih_spread"] = None if spread is None else _matrix("ih_spread", spread, count)
    document["path"] = None if path is None else {name: _without_nan(values) for name, values in path.items()}
    return Explanation.from_dict(document, where)


def _matrix(name: str, entries: Sequence[float | None], count: int) -> list[list[float | None]]:
    if len(entries) != count * count:
        message = f"{name} has {counted(len(entries), 'entry', 'entries')} beside {counted(count, 'attribution')}"
        raise ValueError(message)
    known = _without_nan(entries)
    return [known[start : start + count] for start in range(0, len(known), count)]


def _without_nan(values: Sequence[float | None]) -> list[float | None]:
    return [None if value != value else value for value in values]  # noqa: PLR0124  (NaN is not equal to itself)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
