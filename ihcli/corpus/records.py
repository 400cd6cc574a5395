"""A row of the store as Arrow values: an explanation, or the message of the error.

An explanation that is read back is equal to the one that was written: arrays are lists of float64, with NaN where an
entry was not computed.  The model, the baseline, the environment and the configuration are JSON, which Parquet's
dictionary encoding keeps once in each part.
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
from ihcli.errors import ResultError, StoreError
from ihcli.result_files import to_plain
from ihcli.results import SCHEMA as RESULT_SCHEMA
from ihcli.results import Explanation

OK, NOT_CONVERGED, ERROR = STATUSES = ("ok", "not_converged", "error")
REMEDY = "Delete this part, then run the same `ih batch` command, which explains its rows again."


def _struct(**fields: pa.DataType) -> pa.DataType:
    return pa.struct(list(fields.items()))


_TEXT, _NUMBER, _COUNT, _FLAG = pa.string(), pa.float64(), pa.int64(), pa.bool_()
_NUMBERS, _TEXTS = pa.list_(_NUMBER), pa.list_(_TEXT)
SCHEMA = pa.schema(
    {
        "key": _TEXT,
        "source": _TEXT,
        "row": _COUNT,
        "line": _COUNT,
        "id": _TEXT,
        "name": _TEXT,
        "status": _TEXT,
        "error": _TEXT,
        "message": _TEXT,
        "text": _TEXT,
        "text_pair": _TEXT,
        "text_sha256": _TEXT,
        "prediction": _struct(label=_TEXT, index=_COUNT, labels=_TEXTS, probabilities=_NUMBERS),
        "target": _struct(label=_TEXT, index=_COUNT, output=_TEXT, against=_TEXT),
        "units": pa.list_(_struct(text=_TEXT, start=_COUNT, end=_COUNT, tokens=_TEXTS, side=_TEXT)),
        "f_input": _NUMBER,
        "f_baseline": _NUMBER,
        "ig": _NUMBERS,
        "ih": _NUMBERS,
        "ih_spread": _NUMBERS,
        "certificate": _struct(
            completeness_gap=_NUMBER,
            row_gap=_NUMBER,
            asymmetry=_NUMBER,
            quadrature_error=_NUMBER,
            surrogate_gap=_NUMBER,
            tolerance=_NUMBER,
            converged=_FLAG,
            surrogate=_struct(
                beta=_NUMBER, kinks=_TEXTS, f_input_change=_NUMBER, difference_change=_NUMBER, label_changed=_FLAG
            ),
            standard_error=_NUMBER,
        ),
        "quadrature": _struct(
            rule=_TEXT,
            formulation=_TEXT,
            nodes=_COUNT,
            hessian_vector_products=_COUNT,
            gradients=_COUNT,
            engine=_TEXT,
            evaluations=_COUNT,
        ),
        "method": _TEXT,
        "removal": _TEXT,
        "path": _struct(t=_NUMBERS, f=_NUMBERS, curvature=_NUMBERS),
        "warnings": _TEXTS,
        "baseline": _TEXT,
        "model": _TEXT,
        "environment": _TEXT,
        "config": _TEXT,
    }
)
"""The columns of a part.  `labels[k]` has the probability `probabilities[k]`; `ih` is the matrix row by row."""


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
    prediction, path, spread = explanation.prediction, explanation.path, explanation.ih_spread
    return record | {
        "prediction": {
            "label": prediction.label,
            "index": prediction.index,
            "labels": list(prediction.probabilities),
            "probabilities": list(prediction.probabilities.values()),
        },
        "target": dataclasses.asdict(explanation.target),
        "units": [dataclasses.asdict(unit) for unit in explanation.units],
        "f_input": explanation.f_input,
        "f_baseline": explanation.f_baseline,
        "ig": explanation.ig,
        "ih": explanation.ih.ravel(),
        "ih_spread": None if spread is None else spread.ravel(),
        "certificate": dataclasses.asdict(explanation.certificate),
        "quadrature": dataclasses.asdict(explanation.quadrature),
        "path": None if path is None else {name: getattr(path, name) for name in ("t", "f", "curvature")},
        "warnings": list(explanation.warnings),
        "method": explanation.method,
        "removal": None if explanation.removal is None else _json(to_plain(explanation.removal)),
        "baseline": _json(explanation.baseline),
        "model": _json(dataclasses.asdict(explanation.model)),
        "environment": _json(dataclasses.asdict(explanation.environment)),
        "config": None if explanation.config is None else _json(explanation.config),
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
    required = ("row", "name", "text", "error", "message") if failed else ("row", "name", "text")
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


_AS_IT_IS = ("text", "text_pair", "target", "units", "quadrature", "warnings", "method")


def _explanation(record: Mapping[str, Any], where: str) -> Explanation:
    count, prediction, path = len(record["units"]), record["prediction"], record["path"]
    if None in prediction["labels"]:
        message = "a label is null"
        raise ValueError(message)
    return Explanation.from_dict(
        {
            **{name: record[name] for name in _AS_IT_IS},
            "schema": RESULT_SCHEMA,
            "prediction": {
                "label": prediction["label"],
                "index": prediction["index"],
                "probabilities": to_plain(dict(zip(prediction["labels"], prediction["probabilities"], strict=True))),
            },
            "f_input": to_plain(record["f_input"]),
            "f_baseline": to_plain(record["f_baseline"]),
            "ig": _without_nan(record["ig"]),
            "ih": _matrix("ih", record["ih"], count),
            "ih_spread": None if record["ih_spread"] is None else _matrix("ih_spread", record["ih_spread"], count),
            "certificate": to_plain(record["certificate"]),
            "path": None if path is None else {name: _without_nan(values) for name, values in path.items()},
            **{name: json.loads(record[name]) for name in ("model", "baseline", "environment")},
            **{name: None if record[name] is None else json.loads(record[name]) for name in ("config", "removal")},
        },
        where,
    )


def _matrix(name: str, entries: Sequence[float | None], count: int) -> list[list[float | None]]:
    if len(entries) != count * count:
        message = f"{name} has {len(entries)} entries for {count} units"
        raise ValueError(message)
    known = _without_nan(entries)
    return [known[start : start + count] for start in range(0, len(known), count)]


def _without_nan(values: Sequence[float | None]) -> list[float | None]:
    return [None if value != value else value for value in values]  # noqa: PLR0124  (NaN is not equal to itself)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(dict(value), ensure_ascii=False)
