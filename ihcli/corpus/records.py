"""A row of the store: an explanation, or the message of why there is none, as Arrow values; read back, it is equal.

Arrays are lists of float64, bit for bit, with NaN where an entry was not computed.  What all rows of a run share (the
model, the configuration, the environment) is JSON that Parquet's dictionary keeps once a part.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ihcli.corpus.readers import Row
from ihcli.results import (
    Certificate,
    Environment,
    Explanation,
    ModelInfo,
    PathProfile,
    Prediction,
    Quadrature,
    Surrogate,
    Target,
    Unit,
    frozen_array,
)

OK, NOT_CONVERGED, ERROR = "ok", "not_converged", "error"


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
        ),
        "quadrature": _struct(
            rule=_TEXT,
            formulation=_TEXT,
            nodes=_COUNT,
            hessian_vector_products=_COUNT,
            gradients=_COUNT,
            engine=_TEXT,
        ),
        "path": _struct(t=_NUMBERS, f=_NUMBERS, curvature=_NUMBERS),
        "warnings": _TEXTS,
        "baseline": _TEXT,
        "model": _TEXT,
        "environment": _TEXT,
        "config": _TEXT,
    }
)
"""One row.  `labels` and `probabilities` run side by side; `ih` holds the rows of the matrix one after the other."""


@dataclass(frozen=True, slots=True)
class Keyed:
    """A row of the input, its key in the store and its name: what `ih export` calls its folder."""

    row: Row
    key: str
    name: str
    source: str | None = None
    """The input, as the command named it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a row: an explanation, or the class and message of the error."""

    keyed: Keyed
    explanation: Explanation | None = None
    error: str | None = None
    message: str | None = None

    @property
    def status(self) -> str:
        """`ok`, `not_converged` or `error`."""
        if self.explanation is None:
            return ERROR
        return OK if self.explanation.converged else NOT_CONVERGED


def to_record(outcome: Outcome) -> dict[str, Any]:
    """The outcome as a row of `SCHEMA`."""
    keyed, found = outcome.keyed, outcome.explanation
    row = keyed.row
    record: dict[str, Any] = {
        "key": keyed.key,
        "source": keyed.source,
        "row": row.number,
        "line": row.line,
        "id": row.id,
        "name": keyed.name,
        "status": outcome.status,
        "error": outcome.error,
        "message": outcome.message,
        "text": row.text,
        "text_pair": row.text_pair,
        "text_sha256": hashlib.sha256(row.text.encode("utf-8")).hexdigest(),
    }
    if found is None:
        return record
    prediction = found.prediction
    return record | {
        "prediction": {
            "label": prediction.label,
            "index": prediction.index,
            "labels": list(prediction.probabilities),
            "probabilities": list(prediction.probabilities.values()),
        },
        "target": dataclasses.asdict(found.target),
        "units": [dataclasses.asdict(unit) for unit in found.units],
        "f_input": found.f_input,
        "f_baseline": found.f_baseline,
        "ig": found.ig,
        "ih": found.ih.ravel(),
        "ih_spread": None if found.ih_spread is None else found.ih_spread.ravel(),
        "certificate": dataclasses.asdict(found.certificate),
        "quadrature": dataclasses.asdict(found.quadrature),
        "path": None if found.path is None else {f: getattr(found.path, f) for f in ("t", "f", "curvature")},
        "warnings": list(found.warnings),
        "baseline": _json(found.baseline),
        "model": _json(dataclasses.asdict(found.model)),
        "environment": _json(dataclasses.asdict(found.environment)),
        "config": None if found.config is None else _json(found.config),
    }


def to_explanation(record: Mapping[str, Any]) -> Explanation:
    """The explanation of a row whose status is not `error`."""
    count = len(record["ig"])
    prediction, certificate = record["prediction"], dict(record["certificate"])
    surrogate = certificate.pop("surrogate")
    if surrogate is not None:
        surrogate = Surrogate(**{**surrogate, "kinks": tuple(surrogate["kinks"])})
    spread, path = record["ih_spread"], record["path"]
    return Explanation(
        text=record["text"],
        text_pair=record["text_pair"],
        model=ModelInfo(**json.loads(record["model"])),
        prediction=Prediction(
            prediction["label"],
            prediction["index"],
            dict(zip(prediction["labels"], prediction["probabilities"], strict=True)),
        ),
        target=Target(**record["target"]),
        baseline=json.loads(record["baseline"]),
        units=tuple(Unit(**{**unit, "tokens": tuple(unit["tokens"])}) for unit in record["units"]),
        f_input=record["f_input"],
        f_baseline=record["f_baseline"],
        ig=frozen_array(record["ig"]),
        ih=frozen_array(record["ih"]).reshape(count, count),
        certificate=Certificate(**certificate, surrogate=surrogate),
        quadrature=Quadrature(**record["quadrature"]),
        environment=Environment(**json.loads(record["environment"])),
        path=None if path is None else PathProfile(**{name: frozen_array(values) for name, values in path.items()}),
        config=None if record["config"] is None else json.loads(record["config"]),
        ih_spread=None if spread is None else frozen_array(spread).reshape(count, count),
        warnings=tuple(record["warnings"]),
    )


def to_table(records: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows as one Arrow table."""
    return pa.Table.from_pylist(list(records), schema=SCHEMA)


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(dict(value), ensure_ascii=False)
