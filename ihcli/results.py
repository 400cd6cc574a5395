"""The record of one explanation, its invariants, and its one JSON document.

Tensors become read-only float64 arrays here, once.  A matrix entry that was not computed (`--top`) is NaN in memory and
null in the document: absent, never zero.
"""

import dataclasses
import json
import math
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ihcli.errors import OutputError, ResultError

SCHEMA = "ihcli.result/1"
Array = NDArray[np.float64]


def frozen_array(values: ArrayLike) -> Array:
    """A read-only float64 copy of `values`; None becomes NaN."""
    array = np.array(values, dtype=np.float64)
    array.setflags(write=False)
    return array


@dataclass(frozen=True, slots=True)
class Unit:
    """One explained unit: its text, its character offsets [start, end) in its side's original text, its tokens."""

    text: str
    start: int
    end: int
    tokens: tuple[str, ...]
    side: str = "text"
    """`text` or `text_pair`: the text that the offsets count in."""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Which model was explained, down to the digest of its weights."""

    name: str
    revision: str | None
    architecture: str
    weights_sha256: str
    dtype: str


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says of the text; for a regressor `probabilities` holds its single output."""

    label: str
    index: int
    probabilities: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Target:
    """The explained scalar f: `output` (logit, probability, log-odds) of `label`, minus that of `against`."""

    label: str
    index: int
    output: str
    against: str | None = None


@dataclass(frozen=True, slots=True)
class Surrogate:
    """What replacing kinks by a softplus of sharpness `beta` changed."""

    beta: float
    kinks: tuple[str, ...]
    f_input_change: float
    """Smoothed minus original f(x)."""
    difference_change: float
    """Smoothed minus original f(x) - f(x')."""
    label_changed: bool


@dataclass(frozen=True, slots=True)
class Certificate:
    """How far the matrix may be off, all in units of f.

    completeness_gap = |sum_uv Γ_uv - (f(x) - f(x'))|; row_gap = max_u |sum_v Γ_uv - IG_u|; asymmetry = max_uv
    |Γ_uv - Γ_vu| before it was made symmetric; quadrature_error = the estimated error of the entry that is furthest
    off; surrogate_gap = the change in f(x) - f(x') that smoothing caused, None without smoothing.
    """

    completeness_gap: float
    row_gap: float
    asymmetry: float
    quadrature_error: float
    surrogate_gap: float | None
    tolerance: float
    converged: bool
    surrogate: Surrogate | None = None


@dataclass(frozen=True, slots=True)
class Quadrature:
    """How the integral was taken and what it cost."""

    rule: str
    formulation: str
    nodes: int
    hessian_vector_products: int
    gradients: int = 0
    engine: str = "reverse"


@dataclass(frozen=True, slots=True)
class PathProfile:
    """What was seen along the path: t (N,), f(γ(t)) (N,), and max|H(t)| (N,), NaN where only f was evaluated."""

    t: Array
    f: Array
    curvature: Array


@dataclass(frozen=True, slots=True)
class Environment:
    """The versions and the device that made the result."""

    ihcli: str
    torch: str
    transformers: str
    python: str
    device: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Integrated Gradients and Integrated Hessians of one text, with their certificate.

    `ig` is (U,), `ih` is (U, U) and symmetric; sum_v ih[u, v] = ig[u] and sum ih = f_input - f_baseline up to the
    certificate's gaps.  Both are in units of the explained output.
    """

    text: str
    text_pair: str | None
    model: ModelInfo
    prediction: Prediction
    target: Target
    baseline: Mapping[str, Any]
    units: tuple[Unit, ...]
    f_input: float
    f_baseline: float
    ig: Array
    ih: Array
    certificate: Certificate
    quadrature: Quadrature
    environment: Environment
    path: PathProfile | None = None
    config: Mapping[str, Any] | None = None
    """The effective configuration: enough, with the text, to make the result again."""
    ih_spread: Array | None = None
    """Standard deviation of every entry over a set of baselines (U, U)."""
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the shapes and freeze the arrays."""
        for name in ("ig", "ih", "ih_spread"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, frozen_array(value))
        count = len(self.units)
        if self.ig.shape != (count,) or self.ih.shape != (count, count):
            message = (
                f"A result with {count} units has ig of shape {self.ig.shape} and ih of shape {self.ih.shape}; "
                f"they must be ({count},) and ({count}, {count})."
            )
            raise ResultError(message)

    @property
    def converged(self) -> bool:
        """Whether the certificate meets its tolerance."""
        return self.certificate.converged

    def pairs(self) -> list[tuple[int, int, float]]:
        """Known pairs (i, j, Γ_ij), i < j, strongest first; ties by position.

        The off-diagonal entry is half of what the pair contributes to f(x) - f(x'): the matrix holds it twice.
        """
        rows, columns = np.triu_indices(len(self.units), k=1)
        values = self.ih[rows, columns]
        found = [(int(i), int(j), float(v)) for i, j, v in zip(rows, columns, values, strict=True) if not math.isnan(v)]
        return sorted(found, key=lambda pair: (-abs(pair[2]), pair[0], pair[1]))

    def to_dict(self) -> dict[str, Any]:
        """The document of the result, in plain JSON types."""
        document: dict[str, Any] = {"schema": SCHEMA}
        document.update(_plain(self))
        if self.path is None:
            del document["path"]
        if self.ih_spread is None:
            del document["ih_spread"]
        return document

    def to_json(self) -> str:
        """The document as text: one key a line, one matrix row a line, full precision, the same bytes every time."""
        return _layout(self.to_dict()) + "\n"

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], source: str = "document") -> Self:
        """Read a document back; raises `ResultError` that names `source` and what is wrong."""
        schema = document.get("schema") if isinstance(document, Mapping) else None
        if schema != SCHEMA:
            message = f"{source}: schema {schema!r} is not {SCHEMA!r}, the one this version of ih reads."
            if isinstance(schema, str) and schema.startswith("ihcli.result/"):
                message += " It was written by another version: upgrade ih, or explain the text again."
            else:
                message += " It is not a result of `ih explain`."
            raise ResultError(message)
        try:
            return cls._from_document(dict(document))
        except ResultError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            detail = f"missing key {error}" if isinstance(error, KeyError) else str(error)
            message = f"{source}: the result is damaged ({detail}). Explain the text again."
            raise ResultError(message) from error

    @classmethod
    def _from_document(cls, d: dict[str, Any]) -> Self:
        certificate = dict(d["certificate"])
        if certificate["completeness_gap"] is None:  # the sum of a matrix with rows that were not computed
            certificate["completeness_gap"] = math.nan
        surrogate = certificate.pop("surrogate", None)
        if surrogate is not None:
            surrogate = Surrogate(**{**surrogate, "kinks": tuple(surrogate["kinks"])})
        path = d.get("path")
        return cls(
            text=d["text"],
            text_pair=d["text_pair"],
            model=ModelInfo(**d["model"]),
            prediction=Prediction(**d["prediction"]),
            target=Target(**d["target"]),
            baseline=d["baseline"],
            units=tuple(Unit(**{**u, "tokens": tuple(u["tokens"])}) for u in d["units"]),
            f_input=float(d["f_input"]),
            f_baseline=float(d["f_baseline"]),
            ig=frozen_array(d["ig"]),
            ih=frozen_array(d["ih"]).reshape(len(d["ig"]), -1),
            certificate=Certificate(**certificate, surrogate=surrogate),
            quadrature=Quadrature(**d["quadrature"]),
            environment=Environment(**d["environment"]),
            path=None if path is None else PathProfile(**{k: frozen_array(v) for k, v in path.items()}),
            config=d.get("config"),
            ih_spread=None if d.get("ih_spread") is None else frozen_array(d["ih_spread"]),
            warnings=tuple(d.get("warnings", ())),
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read `result.json` (or the folder that holds it); raises `ResultError`."""
        file = Path(path)
        if file.is_dir():
            file = file / "result.json"
        try:
            document = json.loads(file.read_text(encoding="utf-8"), parse_constant=_refuse)
        except OSError as error:
            message = f"{file}: cannot be read ({error.strerror or error}). Give a result.json or the folder of one."
            raise ResultError(message) from error
        except (ValueError, RecursionError) as error:
            message = f"{file}: is not JSON ({error}). Explain the text again."
            raise ResultError(message) from error
        return cls.from_dict(document, str(file))

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the document to `path` (a folder gets `result.json`), whole or not at all; raises `OutputError`."""
        file = Path(path)
        if file.suffix != ".json":
            file = file / "result.json"
        write_atomically(file, self.to_json().encode("utf-8"))
        return file


def write_atomically(file: Path, content: bytes) -> None:
    """Write beside and rename, so that nobody ever sees half a file; raises `OutputError`."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor, beside = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
            umask = os.umask(0)
            os.umask(umask)
            Path(beside).chmod(0o666 & ~umask)
            Path(beside).replace(file)
        except BaseException:
            Path(beside).unlink(missing_ok=True)
            raise
    except OSError as error:
        message = f"{file}: cannot be written ({error.strerror or error}). Choose another folder with -o."
        raise OutputError(message) from error


def _refuse(constant: str) -> float:
    message = f"{constant} is no number of JSON"
    raise ValueError(message)


def _plain(value: Any) -> Any:
    """JSON types only; NaN becomes None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _layout(value: Any, indent: str = "") -> str:
    """Indented JSON in which a list of scalars takes one line."""
    inner = indent + "  "
    if isinstance(value, dict) and value:
        lines = [f"{inner}{json.dumps(key, ensure_ascii=False)}: {_layout(item, inner)}" for key, item in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(item, (list, dict)) for item in value):
        return "[\n" + ",\n".join(inner + _layout(item, inner) for item in value) + f"\n{indent}]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
